// Settings that a server hands out at run time, over those of the build. A container answers this path from its own
// environment (config.js.template); a site that was built with its settings, and the development server, leave it empty.
globalThis.__SITE_CONFIG__ = {}

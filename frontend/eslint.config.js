import reactHooks from "eslint-plugin-react-hooks"
import globals from "globals"
import tseslint from "typescript-eslint"

/** Imports flow one way: components, lib -> features -> app. No feature imports another; app composes them. */
const features = ["auth", "billing", "chat", "documents", "profile", "tokens"]

const noApp = { group: ["@/app/*", "**/app/*"], message: "Nothing imports from app; app composes the rest." }
const noFeatures = { group: ["@/features/*", "**/features/*"], message: "components and lib know no feature." }
const noBarrels = { group: ["**/index", "**/index.ts"], message: "Import the file itself; there are no barrels." }

const oneFeature = (name) => ({
  files: [`src/features/${name}/**/*.{ts,tsx}`],
  rules: {
    "no-restricted-imports": [
      "error",
      {
        patterns: [
          noApp,
          noBarrels,
          {
            group: features.filter((other) => other !== name).map((other) => `@/features/${other}/*`),
            message: "A feature imports no other feature; compose them in app.",
          },
        ],
      },
    ],
  },
})

export default tseslint.config(
  { ignores: ["dist", "node_modules", "playwright-report", "test-results", "src/lib/api/schema.d.ts", "public"] },
  tseslint.configs.strictTypeChecked,
  tseslint.configs.stylisticTypeChecked,
  {
    languageOptions: {
      parserOptions: { projectService: { allowDefaultProject: ["eslint.config.js"] }, tsconfigRootDir: import.meta.dirname },
    },
    rules: {
      "@typescript-eslint/restrict-template-expressions": ["error", { allowNumber: true }],
      "@typescript-eslint/no-misused-promises": ["error", { checksVoidReturn: { attributes: false } }],
      "@typescript-eslint/consistent-type-definitions": ["error", "type"],
      "@typescript-eslint/no-confusing-void-expression": ["error", { ignoreArrowShorthand: true }],
      "no-console": "error",
    },
  },
  {
    files: ["src/**/*.{ts,tsx}"],
    languageOptions: { globals: globals.browser },
    ...reactHooks.configs.flat["recommended-latest"],
  },
  {
    files: ["src/{components,lib}/**/*.{ts,tsx}"],
    rules: { "no-restricted-imports": ["error", { patterns: [noApp, noFeatures, noBarrels] }] },
  },
  ...features.map(oneFeature),
  { files: ["eslint.config.js"], ...tseslint.configs.disableTypeChecked },
)

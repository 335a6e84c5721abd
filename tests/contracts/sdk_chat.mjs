// A chat of the official `ai` package in Node, driven by lines of JSON on standard input; after every change it writes
// its state as one line. Arguments: the folder whose node_modules hold `ai`, the API's address, a jwt, a chat id.
import { createRequire } from "node:module";
import { createInterface } from "node:readline";
import { pathToFileURL } from "node:url";

const [packages, api, jwt, id] = process.argv.slice(2);
const require = createRequire(`${packages}/package.json`);
const { AbstractChat, DefaultChatTransport } = await import(pathToFileURL(require.resolve("ai")));

class State {
  #status = "ready";
  #messages = [];
  #error = undefined;
  write() {
    const error = this.#error?.message ?? null;
    console.log(JSON.stringify({ status: this.#status, messages: this.#messages, error }));
  }
  get error() {
    return this.#error;
  }
  set error(error) {
    this.#error = error;
    this.write();
  }
  get status() {
    return this.#status;
  }
  set status(status) {
    this.#status = status;
    this.write();
  }
  get messages() {
    return this.#messages;
  }
  set messages(messages) {
    this.#messages = messages;
    this.write();
  }
  pushMessage = (message) => {
    this.messages = [...this.#messages, message];
  };
  popMessage = () => {
    this.messages = this.#messages.slice(0, -1);
  };
  replaceMessage = (index, message) => {
    this.messages = this.#messages.with(index, this.snapshot(message));
  };
  snapshot = (value) => structuredClone(value);
}

class NodeChat extends AbstractChat {
  constructor() {
    const transport = new DefaultChatTransport({ api, headers: { Authorization: `Bearer ${jwt}` } });
    super({ id, transport, state: new State() });
  }
}

const chat = new NodeChat();
const commands = {
  ask: ({ text, ...body }) => chat.sendMessage({ text }, { body }),
  edit: ({ text, messageId }) => chat.sendMessage({ text, messageId }),
  regenerate: (options) => chat.regenerate(options),
  resume: () => chat.resumeStream(),
  leave: () => chat.stop(),
  load: ({ messages }) => {
    chat.messages = messages;
  },
};
for await (const line of createInterface({ input: process.stdin })) {
  const { command, ...options } = JSON.parse(line);
  // Not awaited: the next command may concern a running answer.
  Promise.resolve(commands[command](options)).then(() => console.log(JSON.stringify({ ended: command })));
}

/** Node's global object is no event target; the code under test listens there for "online". */
const target = new EventTarget()
Object.assign(globalThis, {
  addEventListener: target.addEventListener.bind(target),
  removeEventListener: target.removeEventListener.bind(target),
})

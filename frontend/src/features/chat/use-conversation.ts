import { describeFailure, wasNotAccepted, type Failure } from "@/features/chat/failures"
import { textOf, type ChatMessage, type ChatMetadata } from "@/features/chat/messages"
import { createTransport } from "@/features/chat/transport"
import { useStoredMessages } from "@/features/chat/use-stored-messages"
import { stopAnswer } from "@/lib/api/conversations"
import { ApiError } from "@/lib/errors"
import { wait } from "@/lib/wait"
import { useChat } from "@ai-sdk/react"
import { useEffect, useEffectEvent, useMemo, useRef, useState } from "react"

type Action =
  | { kind: "send"; text: string }
  | { kind: "edit"; text: string; messageId: string }
  | { kind: "regenerate"; messageId: string }

type Options = {
  sessionId: string
  branch: string | null
  isNew: boolean
  isListedAsRunning: boolean
  onStart: () => void
  onAccepted: () => void
  /** The question was not taken in; `text` is what to put back before the person's eyes. */
  onRefused: (text: string, failure: Failure | null) => void
  onBalance: (tokens: number) => void
  onTurnEnd: () => void
}

/** What the SDK's callbacks told about the turn that is being followed, and whether it is to be stopped. */
type Turn = {
  /** The request id, where it was asked from this page and may thus still be on its way to the server. */
  askedAs: string | null
  hasStarted: boolean
  isStopWanted: boolean
  error: Error | null
  metadata: ChatMetadata | undefined
  hasEnded: boolean
  isAbort: boolean
}

const newTurn = (askedAs: string | null): Turn => ({
  askedAs,
  hasStarted: false,
  isStopWanted: false,
  error: null,
  metadata: undefined,
  hasEnded: false,
  isAbort: false,
})

/** Whether there was something to stop. A conversation that has had no turn yet does not exist. */
async function stopRunning(sessionId: string): Promise<boolean> {
  try {
    return (await stopAnswer(sessionId)).status === "stopping"
  } catch (error) {
    if (error instanceof ApiError && error.code === "conversation_not_found") return false
    throw error
  }
}

const STOP_PATIENCE_MS = 8_000
const UNATTACHABLE_POLL_MS = 2_000
const RENDER_INTERVAL_MS = 50

/** One conversation as it stands on screen: stored messages, the running answer, and what went wrong. */
export function useConversation(options: Options) {
  const { sessionId, branch } = options
  const [exists, setExists] = useState(!options.isNew)
  const [link, setLink] = useState<"up" | "down">("up")
  const [failure, setFailure] = useState<Failure | null>(null)
  const [isAttaching, setIsAttaching] = useState(false)
  const [isStopping, setIsStopping] = useState(false)
  const turn = useRef(newTurn(null))
  const isAnnounced = useRef(false)
  const unsent = useRef<{ action: Action; requestId: string } | null>(null)

  const transport = useMemo(() => createTransport(sessionId, setLink), [sessionId])
  const chat = useChat<ChatMessage>({
    id: sessionId,
    transport,
    generateId: () => crypto.randomUUID(),
    throttle: RENDER_INTERVAL_MS,
    onError: (cause) => {
      turn.current.error = cause
    },
    onFinish: ({ message, isAbort }) => {
      turn.current.metadata = message.metadata
      turn.current.hasEnded = true
      turn.current.isAbort = isAbort
    },
  })
  const isRunning = chat.status === "submitted" || chat.status === "streaming"
  const isBusy = isRunning || isAttaching

  const stored = useStoredMessages({
    sessionId,
    branch,
    exists,
    isBusy,
    messages: chat.messages,
    setMessages: chat.setMessages,
    onRunning: (requestId) => void attach(requestId),
  })

  /** Runs one turn to its end and sees to what it leaves behind. */
  async function follow(next: Turn, begin: () => Promise<void>): Promise<Failure | null> {
    turn.current = next
    await begin()
    setLink("up")
    setIsStopping(false)
    const { error, metadata } = next
    // The last figure comes with the end, too late for a render in which the turn still runs.
    if (metadata?.balance !== undefined) options.onBalance(metadata.balance)
    if (error === null) return null
    const accepted = metadata?.request_id !== undefined
    const found = describeFailure(error, { accepted, released: metadata?.status === "released" })
    setFailure(found)
    return found
  }

  async function run(action: Action): Promise<void> {
    if (isBusy) return
    const before = chat.messages
    // The same words again after no reply: the same request, so that it cannot be charged twice.
    const isRepeat = JSON.stringify(unsent.current?.action) === JSON.stringify(action)
    const requestId = (isRepeat ? unsent.current?.requestId : undefined) ?? crypto.randomUUID()
    unsent.current = { action, requestId }
    const settings = { body: { request_id: requestId } }
    setFailure(null)
    isAnnounced.current = false
    options.onStart()
    const asked = newTurn(requestId)
    const found = await follow(asked, () => {
      if (action.kind === "regenerate") return chat.regenerate({ messageId: action.messageId, ...settings })
      const messageId = action.kind === "edit" ? action.messageId : undefined
      return chat.sendMessage({ text: action.text, messageId }, settings)
    })
    // Left or stopped before the server had answered a word: as far as is known here, nothing was asked.
    const isWithdrawn = asked.isAbort && asked.metadata?.request_id === undefined
    if (isWithdrawn || (found && wasNotAccepted(found))) {
      // Asked under this id again it would be refused forever.
      if (found?.kind === "mixed-up") unsent.current = { action, requestId: crypto.randomUUID() }
      chat.setMessages(before)
      chat.clearError()
      options.onRefused(action.kind === "regenerate" ? "" : action.text, found)
      return
    }
    unsent.current = null
    await finishTurn()
  }

  /** The server has the question: told once a turn, and also when the whole answer came between two renders. */
  function announceAccepted(): void {
    if (isAnnounced.current) return
    isAnnounced.current = true
    options.onAccepted()
  }

  async function finishTurn(): Promise<void> {
    announceAccepted()
    setExists(true)
    options.onTurnEnd()
    await stored.refresh()
  }

  /** Joins the answer that the server is writing, from its first word. */
  async function attach(requestId: string): Promise<void> {
    if (isBusy) return
    setIsAttaching(true)
    // That another answer is in the way stays true until it is whole.
    setFailure((current) => (current?.kind === "busy" ? current : null))
    try {
      const joined = newTurn(null)
      await follow(joined, () => chat.resumeStream({ body: { request_id: requestId } }))
      // Nothing to join: it ended meanwhile, or another machine writes it and has nothing yet.
      if (!joined.hasEnded && joined.error === null) await wait(UNATTACHABLE_POLL_MS)
    } finally {
      setIsAttaching(false)
    }
    setFailure((current) => (current?.kind === "busy" ? null : current))
    await finishTurn()
  }

  async function stop(): Promise<void> {
    const stopped = turn.current
    const hadStarted = stopped.hasStarted
    setIsStopping(true)
    try {
      const isTold = await stopRunning(sessionId)
      if (turn.current !== stopped) return
      if (!isTold && stopped.askedAs !== null && !hadStarted && !stopped.hasEnded) {
        // The question is still on its way, and would be answered and charged if this page only looked away.
        if (stopped.hasStarted) await stop()
        else stopped.isStopWanted = true
        return
      }
      if (!isTold) await chat.stop()
    } catch {
      // The answer goes on where we cannot reach it; this page at least stops reading.
      await chat.stop()
      setIsStopping(false)
      return
    }
    await wait(STOP_PATIENCE_MS)
    setIsStopping(false)
  }

  const announceStart = useEffectEvent(announceAccepted)
  useEffect(() => {
    if (chat.status === "streaming") announceStart()
  }, [chat.status])

  // The SDK calls it streaming from the first content on; the turn begins before, with its `start` part.
  const newest = chat.messages.at(-1)
  const answering = isRunning && newest?.role === "assistant" ? newest.metadata?.request_id : undefined
  const noticeStart = useEffectEvent((requestId: string) => {
    // Not when an answer that is being replaced is still on screen.
    if (turn.current.askedAs !== requestId) return
    turn.current.hasStarted = true
    if (!turn.current.isStopWanted) return
    turn.current.isStopWanted = false
    void stop()
  })
  useEffect(() => {
    if (answering) noticeStart(answering)
  }, [answering])

  // Asked in another tab: reading the stored messages finds the turn and joins it.
  const lookForTurn = useEffectEvent(() => {
    if (!isBusy && exists) void stored.refresh()
  })
  useEffect(() => {
    if (options.isListedAsRunning) lookForTurn()
  }, [options.isListedAsRunning])

  const balance = isRunning ? chat.messages.at(-1)?.metadata?.balance : undefined
  const announceBalance = useEffectEvent(options.onBalance)
  useEffect(() => {
    if (balance !== undefined) announceBalance(balance)
  }, [balance])

  const lastQuestion = chat.messages.findLast((message) => message.role === "user")
  return {
    messages: chat.messages,
    stored,
    link,
    failure,
    isBusy,
    isStopping,
    send: (text: string) => run({ kind: "send", text }),
    edit: (messageId: string, text: string) => run({ kind: "edit", messageId, text }),
    regenerate: (messageId: string) => run({ kind: "regenerate", messageId }),
    /** What the notice's button does: send again what was refused, answer again, or look again. */
    retry: async () => {
      const action = unsent.current?.action
      if (action) await run(action)
      else if (failure?.kind === "lost") await stored.refresh().then(() => setFailure(null))
      else if (lastQuestion) await run({ kind: "regenerate", messageId: lastQuestion.id })
    },
    /** What was refused, if anything; the composer's text takes its place when it was edited since. */
    refusedText: () => {
      const action = unsent.current?.action
      return action && action.kind !== "regenerate" ? action.text : null
    },
    watch: async () => {
      setExists(true)
      await stored.refresh()
    },
    dismiss: () => setFailure(null),
    stop,
    lastQuestionText: lastQuestion ? textOf(lastQuestion) : "",
  }
}

import { Button } from "@/components/ui/button"
import { FileUp } from "lucide-react"
import { useRef } from "react"

type ChooseFilesProps = { extensions: readonly string[]; onFiles: (files: File[]) => void }

export function ChooseFiles({ extensions, onFiles }: ChooseFilesProps) {
  const input = useRef<HTMLInputElement>(null)
  return (
    <>
      <Button look="primary" onClick={() => input.current?.click()}>
        <FileUp aria-hidden /> Upload files
      </Button>
      <input
        ref={input}
        type="file"
        multiple
        hidden
        aria-label="Files to upload"
        accept={extensions.join(",")}
        onChange={(event) => {
          onFiles([...(event.target.files ?? [])])
          // So that the same file can be chosen again.
          event.target.value = ""
        }}
      />
    </>
  )
}

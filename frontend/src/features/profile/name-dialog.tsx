import { Button } from "@/components/ui/button"
import { Dialog } from "@/components/ui/dialog"
import { Field } from "@/components/ui/field"
import { profileQuery, updateProfile } from "@/lib/api/profile"
import { zodResolver } from "@hookform/resolvers/zod"
import { useMutation, useQueryClient } from "@tanstack/react-query"
import { useForm } from "react-hook-form"
import { z } from "zod"

const schema = z.object({ full_name: z.string().trim().min(1, "Enter a name.").max(100, "At most 100 characters.") })

function NameForm({ name, onDone }: { name: string; onDone: () => void }) {
  const client = useQueryClient()
  const form = useForm({ resolver: zodResolver(schema), defaultValues: { full_name: name } })
  const save = useMutation({
    mutationFn: updateProfile,
    onSuccess: (profile) => {
      client.setQueryData(profileQuery.queryKey, profile)
      onDone()
    },
  })
  const error = form.formState.errors.full_name?.message ?? save.error?.message
  return (
    <form noValidate onSubmit={(event) => void form.handleSubmit((values) => save.mutate(values))(event)} className="space-y-5">
      <Field label="Name" autoComplete="name" error={error} {...form.register("full_name")} />
      <div className="flex justify-end gap-2">
        <Button onClick={onDone}>Cancel</Button>
        <Button type="submit" look="primary" disabled={save.isPending}>
          {save.isPending ? "Saving…" : "Save"}
        </Button>
      </div>
    </form>
  )
}

type NameDialogProps = { isOpen: boolean; onOpenChange: (isOpen: boolean) => void; name: string }

export function NameDialog({ isOpen, onOpenChange, name }: NameDialogProps) {
  return (
    <Dialog isOpen={isOpen} onOpenChange={onOpenChange} title="Your name" description="How you are greeted here.">
      <NameForm name={name} onDone={() => onOpenChange(false)} />
    </Dialog>
  )
}

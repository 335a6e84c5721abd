import { callApi } from "@/lib/api/client"
import type { Profile, ProfileUpdate } from "@/lib/api/types"
import { queryOptions } from "@tanstack/react-query"

export const profileQuery = queryOptions({
  queryKey: ["profile"],
  queryFn: ({ signal }) => callApi<Profile>("/api/profile", { signal }),
  staleTime: 300_000,
})

export function updateProfile(change: ProfileUpdate): Promise<Profile> {
  return callApi("/api/profile", { method: "PATCH", body: change })
}

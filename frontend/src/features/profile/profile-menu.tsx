import { Menu, MenuContent, MenuItem, MenuLabel, MenuRadioGroup, MenuRadioItem, MenuSeparator, MenuTrigger } from "@/components/ui/menu"
import { initialsOf } from "@/features/profile/initials"
import { NameDialog } from "@/features/profile/name-dialog"
import { profileQuery } from "@/lib/api/profile"
import { setTheme, useTheme, type ThemeChoice } from "@/lib/theme"
import { useQuery } from "@tanstack/react-query"
import { Coins, History, LogOut, Monitor, Moon, Sun, UserRound } from "lucide-react"
import { useState } from "react"
import { useNavigate } from "react-router"

type ProfileMenuProps = { email: string; onSignOut: () => void }

export function ProfileMenu({ email, onSignOut }: ProfileMenuProps) {
  const { data: profile } = useQuery(profileQuery)
  const [isNaming, setIsNaming] = useState(false)
  const theme = useTheme()
  const navigate = useNavigate()
  const name = profile?.full_name ?? null
  return (
    <>
      <Menu>
        <MenuTrigger
          aria-label="Account menu"
          title="Account"
          className="grid size-9 place-items-center rounded-full bg-accent-wash text-sm font-semibold text-accent transition-colors hover:bg-hover"
        >
          {initialsOf(name, email)}
        </MenuTrigger>
        <MenuContent align="end" className="w-60">
          <div className="px-2.5 pt-1 pb-2">
            {name ? <p className="truncate font-medium">{name}</p> : null}
            <p className="truncate text-sm text-ink-soft">{email}</p>
          </div>
          <MenuSeparator />
          <MenuItem onSelect={() => setIsNaming(true)}>
            <UserRound aria-hidden /> {name ? "Change your name" : "Add your name"}
          </MenuItem>
          <MenuItem onSelect={() => void navigate("/purchase-tokens")}>
            <Coins aria-hidden /> Buy tokens
          </MenuItem>
          <MenuItem onSelect={() => void navigate("/token-history")}>
            <History aria-hidden /> Token history
          </MenuItem>
          <MenuSeparator />
          <MenuLabel>Appearance</MenuLabel>
          <MenuRadioGroup value={theme} onValueChange={(value) => setTheme(value as ThemeChoice)}>
            <MenuRadioItem value="light" onSelect={(event) => event.preventDefault()}>
              <Sun aria-hidden /> Light
            </MenuRadioItem>
            <MenuRadioItem value="dark" onSelect={(event) => event.preventDefault()}>
              <Moon aria-hidden /> Dark
            </MenuRadioItem>
            <MenuRadioItem value="system" onSelect={(event) => event.preventDefault()}>
              <Monitor aria-hidden /> As the system
            </MenuRadioItem>
          </MenuRadioGroup>
          <MenuSeparator />
          <MenuItem onSelect={onSignOut}>
            <LogOut aria-hidden /> Sign out
          </MenuItem>
        </MenuContent>
      </Menu>
      <NameDialog isOpen={isNaming} onOpenChange={setIsNaming} name={name ?? ""} />
    </>
  )
}

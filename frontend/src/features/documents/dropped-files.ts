/** The files in a drop, without folders: a folder comes as an entry that cannot be sent. */
export function filesOf(transfer: DataTransfer): { files: File[]; hasFolders: boolean } {
  const items = [...transfer.items].filter(({ kind }) => kind === "file")
  const isFolder = (item: DataTransferItem) => item.webkitGetAsEntry()?.isDirectory === true
  const files = items.flatMap((item) => (isFolder(item) ? [] : (item.getAsFile() ?? [])))
  return { files, hasFolders: items.some(isFolder) }
}

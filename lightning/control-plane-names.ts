/** Names of the embedded control plane's objects. The prefix keeps an owner called `global` apart from the one object of that name. */
export const GLOBAL_NAME = "global";
export const OWNER_PREFIX = "owner:";

/** @throws TypeError for an empty owner: that would be one object for everybody whose principal was not resolved */
export function ownerObjectName(owner: string): string {
  if (owner === "") throw new TypeError("an owner has a name");
  return `${OWNER_PREFIX}${owner}`;
}

/** Writes `../generated/` where it is not already right. @throws Error when the SDK is not the one whose glue was reviewed */
export function generate(): "written" | "unchanged" | "not installed";

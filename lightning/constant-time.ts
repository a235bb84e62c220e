/**
 * Comparison whose time says nothing about where two values differ. What is compared here are hashes of secrets, so the length is no
 * secret; the loop still looks at every byte. JavaScript promises nothing about timing: hashing first is the stronger half.
 */
export function equalBytes(a: Uint8Array, b: Uint8Array): boolean {
  let difference = a.length ^ b.length;
  for (let index = 0; index < a.length; index += 1) difference |= (a[index] ?? 0) ^ (b[index] ?? 0);
  return difference === 0;
}

/** Two hex strings, case included: our hashes are lower case everywhere. */
export function equalHex(a: string, b: string): boolean {
  let difference = a.length ^ b.length;
  for (let index = 0; index < a.length; index += 1) difference |= a.charCodeAt(index) ^ (index < b.length ? b.charCodeAt(index) : 0);
  return difference === 0;
}

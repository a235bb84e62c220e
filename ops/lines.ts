/** Lines of a byte stream. They end at "\n" alone: `node:readline` would also split at U+2028, which JSON strings may hold. */

/** @returns each line without its end; the last one also where it has none. Chunks are joined once a line */
export async function* linesOf(input: AsyncIterable<Uint8Array>): AsyncGenerator<string> {
  const utf8 = new TextDecoder();
  let pieces: Uint8Array[] = [];
  const whole = (last: Uint8Array): string => (pieces.length === 0 ? utf8.decode(last) : utf8.decode(Buffer.concat([...pieces, last])));
  for await (const chunk of input) {
    let start = 0;
    for (let end = chunk.indexOf(10); end >= 0; end = chunk.indexOf(10, start)) {
      yield whole(chunk.subarray(start, end));
      pieces = [];
      start = end + 1;
    }
    if (start < chunk.length) pieces.push(chunk.subarray(start));
  }
  if (pieces.length > 0) yield whole(new Uint8Array());
}

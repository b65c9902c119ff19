import { randomInt } from 'node:crypto';

/**
 * Values by an owner and a text, found by a part of another text and its hash: for very many of them.
 *
 * Of a million values nothing is in the caches of the processor, so what counts is in how many places a look-up has to look:
 * here in one slot, nearly always, and at its text. A Map looks at the hash inside of every key that it passes, and a part of a
 * text would have to be a string of its own first. The hash has a secret of this process, as clients choose the texts.
 */
export class TextTable<O, V> {
  /** Four for each slot: hash (0 is a free slot), text, owner, value. */
  private cells = freeCells(fewest);
  private count = 0;

  /** Slots that there are. */
  private get room(): number {
    return this.cells.length / 4;
  }

  /** @param hash `hashOf` the part `[start, end)` of `text`, behind what tells the owner */
  get(owner: O, hash: number, text: string, start = 0, end = text.length): V | undefined {
    const at = this.find(owner, hash, text, start, end);
    return at < 0 ? undefined : (this.cells[at + 3] as V);
  }

  /** Adds or replaces. */
  set(owner: O, hash: number, text: string, value: V): void {
    const at = this.find(owner, hash, text, 0, text.length);
    if (at >= 0) {
      this.cells[at + 3] = value;
      return;
    }
    if ((this.count + 1) * 4 > this.room * 3) this.moveTo(this.room * 2);
    this.put(hash, text, owner, value);
    this.count++;
  }

  delete(owner: O, hash: number, text: string): void {
    const at = this.find(owner, hash, text, 0, text.length);
    if (at < 0) return;
    this.count--;
    this.close(at);
    if (this.count * 8 < this.room && this.room > fewest) this.moveTo(this.room / 2);
  }

  private find(owner: O, hash: number, text: string, start: number, end: number): number {
    const { cells } = this;
    const mask = cells.length - 1;
    for (let at = (hash << 2) & mask; cells[at] !== 0; at = (at + 4) & mask) {
      if (cells[at] !== hash || cells[at + 2] !== owner) continue;
      const key = cells[at + 1] as string;
      if (key.length === end - start && text.startsWith(key, start)) return at;
    }
    return -1;
  }

  /** Into the first slot that is free. */
  private put(hash: number, text: unknown, owner: unknown, value: unknown): void {
    const { cells } = this;
    const mask = cells.length - 1;
    let at = (hash << 2) & mask;
    while (cells[at] !== 0) at = (at + 4) & mask;
    cells[at] = hash;
    cells[at + 1] = text;
    cells[at + 2] = owner;
    cells[at + 3] = value;
  }

  /** Frees a slot: what stands behind it, and is not where its hash says, moves up. */
  private close(free: number): void {
    const { cells } = this;
    const mask = cells.length - 1;
    let to = free;
    for (let at = (free + 4) & mask; cells[at] !== 0; at = (at + 4) & mask) {
      const distance = (at - ((cells[at] as number) << 2)) & mask;
      if (distance < ((at - to) & mask)) continue;
      cells.copyWithin(to, at, at + 4);
      to = at;
    }
    cells[to] = 0;
    cells.fill(undefined, to + 1, to + 4);
  }

  private moveTo(room: number): void {
    const { cells } = this;
    this.cells = freeCells(room);
    for (let at = 0; at < cells.length; at += 4) {
      if (cells[at] !== 0) this.put(cells[at] as number, cells[at + 1], cells[at + 2], cells[at + 3]);
    }
  }
}

/**
 * Never 0.
 * @param from the hash of what stands before, as that of the owner
 */
export function hashOf(text: string, start = 0, end = text.length, from = secret): number {
  let hash = from;
  for (let at = start; at < end; at++) {
    hash = Math.imul(hash ^ text.charCodeAt(at), multiplier);
    hash ^= hash >>> 15;
  }
  return hash || 1;
}

const fewest = 8;
const secret = randomInt(0x1_0000_0000) | 0;
const multiplier = randomInt(0x1_0000_0000) | 1;

function freeCells(room: number): unknown[] {
  const cells = Array.from<unknown>({ length: room * 4 }).fill(undefined);
  for (let at = 0; at < cells.length; at += 4) cells[at] = 0;
  return cells;
}

/**
 * The names of QoS 2 messages that were routed here, so that one which is routed again, as its first routing was not
 * acknowledged, reaches the subscribers of this node once. Two generations bound the memory.
 */
export class RoutedOnce {
  private young = new Set<string>();
  private old = new Set<string>();

  /** @param remembered names that are remembered at least, and at most twice as many */
  constructor(private readonly remembered = 65_536) {}

  /** Whether the name is new. */
  note(publishId: string): boolean {
    if (this.young.has(publishId)) return false;
    const isNew = !this.old.has(publishId);
    if (this.young.size >= this.remembered) {
      this.old = this.young;
      this.young = new Set();
    }
    this.young.add(publishId);
    return isNew;
  }
}

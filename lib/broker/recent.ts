/** A Map of what was set lately, in two generations that bound its memory. */
export class Recent<Value> {
  private young = new Map<string, Value>();
  private old = new Map<string, Value>();

  /** @param remembered names that are remembered at least, and at most twice as many */
  constructor(private readonly remembered: number) {}

  get(name: string): Value | undefined {
    return this.young.get(name) ?? this.old.get(name);
  }

  set(name: string, value: Value): void {
    if (this.young.size >= this.remembered) {
      this.old = this.young;
      this.young = new Map();
    }
    this.young.set(name, value);
  }
}

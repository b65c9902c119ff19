/**
 * The topic aliases that the broker uses towards one MQTT 5 client (3.3.2.3.4).
 *
 * A topic gets an alias with its first PUBLISH. When all are taken a hand goes round, as in the clock algorithm: what
 * was used since it last came by stays, so busy topics keep their alias while rare ones pass.
 */
export class TopicAliases {
  private readonly slots: { topic: string; uses: number }[] = [];
  private readonly byTopic = new Map<string, number>();
  private hand = 0;

  /** @param maximum the client's Topic Alias Maximum, 1-65535 */
  constructor(private readonly maximum: number) {}

  /** The alias that the client already knows for `topic`, or undefined. */
  known(topic: string): number | undefined {
    const alias = this.byTopic.get(topic);
    if (alias !== undefined && this.slots[alias - 1].uses < mostUses) this.slots[alias - 1].uses++;
    return alias;
  }

  /**
   * An alias for a topic that has none, to be sent with the topic name.
   * @returns undefined when busier topics have them all, or the name is the shorter one
   */
  assign(topic: string): number | undefined {
    if (topic.length <= aliasedBytes) return undefined;
    if (this.slots.length < this.maximum) {
      this.slots.push({ topic, uses: 1 });
      this.byTopic.set(topic, this.slots.length);
      return this.slots.length;
    }
    const index = this.hand;
    this.hand = (index + 1) % this.maximum;
    const slot = this.slots[index];
    if (--slot.uses >= 0) return undefined;
    this.byTopic.delete(slot.topic);
    this.slots[index] = { topic, uses: 1 };
    this.byTopic.set(topic, index + 1);
    return index + 1;
  }
}

/**
 * What an alias may take: the property, and a Property Length that grows by it. A message that fits with the name of its topic
 * has to fit with the alias as well.
 */
const aliasedBytes = 4;
/** So that a topic which was busy once is forgotten within this many rounds of the hand. */
const mostUses = 8;

/** A topic filter and what its subscriber asked for (MQTT 5, 3.8.3.1). */
export interface Subscription {
  /** Without `$share/group/`. */
  readonly filter: string;
  readonly qos: 0 | 1 | 2;
  readonly noLocal: boolean;
  readonly retainAsPublished: boolean;
  readonly retainHandling: 0 | 1 | 2;
  /** 1 to 268,435,455 (MQTT 5). */
  readonly identifier?: number | undefined;
  /** ShareName of a Shared Subscription. */
  readonly share?: string | undefined;
}

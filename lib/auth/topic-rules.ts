import type { Client } from '../broker/client.js';
import { covers, isShared, isTopicFilter, matches } from '../topics/topic-names.js';

/**
 * Where clients may publish and subscribe: topic filters, in which `%c` stands for the client id and `%u` for the user name,
 * as in `devices/%c/#`. Without a list everything is allowed, with an empty one nothing.
 */
export interface TopicRules {
  readonly publish?: readonly string[] | undefined;
  /** Also all that they receive, by subscriptions of earlier rules too. */
  readonly subscribe?: readonly string[] | undefined;
  /** Neither published to nor received, whatever the other lists say: parts of what a wildcard allows. Default none. */
  readonly deny?: readonly string[] | undefined;
}

/** Several such rules at once: what any of them allows is allowed. */
export class TopicPermissions {
  private readonly publish: readonly string[] | undefined;
  private readonly subscribe: readonly string[] | undefined;
  private readonly deny: readonly string[];
  private readonly clients = new WeakMap<Client, Expanded>();

  /**
   * @param path of the rules among the options, for errors
   * @throws TypeError for a rule that is no topic filter
   */
  constructor(rules: TopicRules, path: string) {
    this.publish = checked(rules.publish, `${path}.publish`);
    this.subscribe = checked(rules.subscribe, `${path}.subscribe`);
    this.deny = checked(rules.deny, `${path}.deny`) ?? [];
  }

  mayPublish(client: Client, topic: string): boolean {
    if (!this.publish && this.deny.length === 0) return true;
    const rights = this.of(client);
    const before = rights.known.get(topic);
    if (before !== undefined) return before;
    const isAllowed = allows(rights.publish, topic) && !rights.denies((rule) => matches(rule, topic));
    if (rights.known.size < knownTopics) rights.known.set(topic, isAllowed);
    return isAllowed;
  }

  /** Every topic of the filter has to be allowed; what is denied of them is not received. */
  maySubscribe(client: Client, filter: string): boolean {
    if (!this.subscribe && this.deny.length === 0) return true;
    const { subscribe, denies } = this.of(client);
    return (!subscribe || subscribe.some((rule) => covers(rule, filter))) && !denies((rule) => covers(rule, filter));
  }

  mayReceive(client: Client, topic: string): boolean {
    if (!this.subscribe && this.deny.length === 0) return true;
    const { subscribe, denies } = this.of(client);
    return allows(subscribe, topic) && !denies((rule) => matches(rule, topic));
  }

  private of(client: Client): Expanded {
    const found = this.clients.get(client);
    if (found) return found;
    const deny = this.deny.map((rule) => expand([rule], client)[0]);
    const expanded: Expanded = {
      publish: this.publish && expand(this.publish, client),
      subscribe: this.subscribe && expand(this.subscribe, client),
      // A name by which nothing can be allowed must not lift what is denied.
      denies: (isMeant) => deny.some((rule) => rule === undefined || isMeant(rule)),
      known: new Map(),
    };
    this.clients.set(client, expanded);
    return expanded;
  }
}

/** The rules for one client; a list that is undefined allows everything. */
interface Expanded {
  readonly publish: readonly string[] | undefined;
  readonly subscribe: readonly string[] | undefined;
  readonly denies: (isMeant: (rule: string) => boolean) => boolean;
  /** Topics that it wanted to publish to. */
  readonly known: Map<string, boolean>;
}

const allows = (rules: readonly string[] | undefined, topic: string): boolean =>
  !rules || rules.some((rule) => matches(rule, topic));

/** Of one client; devices have few topics. */
const knownTopics = 32;

function checked(rules: readonly string[] | undefined, path: string): readonly string[] | undefined {
  for (const [index, rule] of (rules ?? []).entries()) {
    const filter = typeof rule === 'string' ? rule.replaceAll(/%[cu]/g, 'x') : '';
    if (isTopicFilter(filter) && !isShared(filter)) continue;
    throw new TypeError(
      `${path}[${index}]: ${JSON.stringify(rule)} is not a topic filter; + fills a whole level, # is the last one, ` +
        'and %c and %u stand for client id and user name',
    );
  }
  return rules;
}

/** A name that holds `/`, `+` or `#` would say more than a name: no rule with it applies. */
function expand(rules: readonly string[], { clientId, username }: Client): string[] {
  const names: Readonly<Record<string, string | undefined>> = { '%c': clientId, '%u': username };
  return rules.flatMap((rule) => {
    const used = [...rule.matchAll(/%[cu]/g)].map(([placeholder]) => names[placeholder]);
    const isSafe = used.every((name) => name !== undefined && name !== '' && !/[/+#]/.test(name));
    return isSafe ? [rule.replaceAll(/%[cu]/g, (placeholder) => names[placeholder]!)] : [];
  });
}

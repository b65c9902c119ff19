import type { Client } from '../broker/client.js';
import { covers, isShared, isTopicFilter, matches } from '../topics/topic-names.js';

/**
 * Where clients may publish and subscribe: topic filters, in which `%c` stands for the client id and `%u` for the user name,
 * as in `devices/%c/#`. Without a list everything is allowed, with an empty one nothing.
 */
export interface TopicRules {
  readonly publish?: readonly string[] | undefined;
  readonly subscribe?: readonly string[] | undefined;
}

/** Several such rules at once: what any of them allows is allowed. */
export class TopicPermissions {
  private readonly publish: readonly string[] | undefined;
  private readonly subscribe: readonly string[] | undefined;
  private readonly clients = new WeakMap<Client, Expanded>();

  /**
   * @param path of the rules among the options, for errors
   * @throws TypeError for a rule that is no topic filter
   */
  constructor(rules: TopicRules, path: string) {
    this.publish = checked(rules.publish, `${path}.publish`);
    this.subscribe = checked(rules.subscribe, `${path}.subscribe`);
  }

  mayPublish(client: Client, topic: string): boolean {
    if (!this.publish) return true;
    const { publish, known } = this.of(client);
    const before = known.get(topic);
    if (before !== undefined) return before;
    const isAllowed = publish.some((rule) => matches(rule, topic));
    if (known.size < knownTopics) known.set(topic, isAllowed);
    return isAllowed;
  }

  /** Every topic of the filter has to be allowed. */
  maySubscribe(client: Client, filter: string): boolean {
    return !this.subscribe || this.of(client).subscribe.some((rule) => covers(rule, filter));
  }

  private of(client: Client): Expanded {
    const found = this.clients.get(client);
    if (found) return found;
    const expanded = {
      publish: expand(this.publish ?? [], client),
      subscribe: expand(this.subscribe ?? [], client),
      known: new Map<string, boolean>(),
    };
    this.clients.set(client, expanded);
    return expanded;
  }
}

interface Expanded {
  readonly publish: readonly string[];
  readonly subscribe: readonly string[];
  /** Topics that were asked for. */
  readonly known: Map<string, boolean>;
}

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

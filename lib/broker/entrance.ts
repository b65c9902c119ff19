import { MqttError } from '../protocol/mqtt-error.js';
import type { Properties } from '../protocol/properties.js';
import { ReasonCode } from '../protocol/reason-codes.js';
import { isShared, isTopicName, parseShare } from '../topics/topic-names.js';
import { Admissions } from './admissions.js';
import type { Auth } from './auth.js';
import type { Clock } from './clock.js';
import type { Limits } from './limits.js';

/** What holds for the clients of one listener; where it says nothing, what holds for the whole broker. */
export interface EntranceOptions {
  /** What log, counters and handlers (`client.listener`) call it. Default the listener's own name. */
  readonly name?: string | undefined;
  readonly auth?: Auth | undefined;
  readonly limits?: Partial<Limits> | undefined;
  /**
   * Stands in front of all topics and filters of its clients, who do not see it and reach nothing beside it:
   * `tenants/a/`. Default none.
   */
  readonly mountPoint?: string | undefined;
}

/** Where clients come in. */
export class Entrance {
  readonly name: string | undefined;
  readonly auth: Auth;
  readonly limits: Limits;
  readonly mountPoint: string;
  /** Those of the broker, unless there are bounds of its own. */
  readonly admissions: Admissions;
  /** Connections that were accepted. */
  connectionsOpened = 0;

  constructor(
    { name, auth, limits, mountPoint = '' }: EntranceOptions,
    broker: { readonly auth: Auth; readonly limits: Limits; readonly clock: Clock; readonly admissions: Admissions },
  ) {
    this.name = name;
    this.auth = auth ?? broker.auth;
    this.limits = limits ? { ...broker.limits, ...limits } : broker.limits;
    this.mountPoint = mountPoint;
    const hasOwn = Object.keys(limits ?? {}).some((limit) => limit.startsWith('maximumConnections'));
    this.admissions = hasOwn ? new Admissions(this.limits, broker.clock) : broker.admissions;
  }

  /** @param filter as the client wrote it, `$share/group/` included */
  mountedFilter(filter: string): string {
    const { mountPoint } = this;
    if (mountPoint === '') return filter;
    const share = isShared(filter) ? parseShare(filter) : undefined;
    return share ? `$share/${share.group}/${mountPoint}${share.filter}` : mountPoint + filter;
  }

  /**
   * @param name what it is to its client
   * @throws MqttError TopicNameInvalid where it would be too long behind the mount point
   */
  mountedTopic(topic: string, name = 'topic name'): string {
    const { mountPoint } = this;
    if (mountPoint === '') return topic;
    const mounted = mountPoint + topic;
    if (isTopicName(mounted)) return mounted;
    throw new MqttError(ReasonCode.TopicNameInvalid, `the ${name} is too long`, 'MQTT-4.7.3-3');
  }

  /**
   * Those of a message: where it is to be answered is a topic like any other.
   * @throws MqttError TopicNameInvalid
   */
  mountedProperties(properties: Properties | undefined): Properties | undefined {
    if (this.mountPoint === '' || properties?.responseTopic === undefined) return properties;
    return { ...properties, responseTopic: this.mountedTopic(properties.responseTopic, 'response topic') };
  }
}

import { Injectable } from '@nestjs/common';
import { Broker } from './broker/broker.js';
import { RedisRouter } from './routers/redis.router.js';

/** The broker's counters as Prometheus reads them (text exposition format 0.0.4). */
@Injectable()
export class MQTTdMetrics {
  /** To be sent with the body. */
  readonly contentType = 'text/plain; version=0.0.4; charset=utf-8';

  constructor(private readonly broker: Broker) {}

  /** All metrics: `mqttd_..._total` count from the start of the broker, the others are as it is now. */
  text(): string {
    return [...this.samples().map((sample) => textOf(sample)), ...this.ofListeners()].join('');
  }

  /** One sample for each listener. */
  private ofListeners(): string[] {
    const open = new Map<string, number>();
    for (const { peer } of this.broker.connections) open.set(peer.listener, (open.get(peer.listener) ?? 0) + 1);
    const entrances = Array.from(this.broker.entrances, ([listener, entrance]) => {
      const name = entrance.name ?? listener.name;
      return { label: `{listener="${name.replaceAll(/["\\\n]/g, '_')}"}`, now: open.get(name) ?? 0, entrance };
    });
    return [
      textOf(
        ['mqttd_listener_connections', 'gauge', 'Connections of clients, by listener.'],
        entrances.map(({ label, now }) => [label, now] as const),
      ),
      textOf(
        ['mqttd_listener_connections_opened_total', 'counter', 'Connections that were accepted, by listener.'],
        entrances.map(({ label, entrance }) => [label, entrance.connectionsOpened] as const),
      ),
    ];
  }

  private samples(): Sample[] {
    const { counters, connections, sessions, topics, retained, router } = this.broker;
    const samples: Sample[] = [
      ['mqttd_connections', 'gauge', 'Connections of clients.', connections.size],
      ['mqttd_sessions', 'gauge', 'Sessions on this node.', sessions.size],
      ['mqttd_subscriptions', 'gauge', 'Filters in the topic tree, those of handlers and nodes included.', topics.size],
      ['mqttd_retained_messages', 'gauge', 'Retained messages.', retained.size],
      counter('messages_received', 'PUBLISH packets from clients.', counters.messagesReceived),
      counter('messages_sent', 'PUBLISH packets to clients.', counters.messagesSent),
      counter('messages_dropped', 'Messages that one subscriber did not get.', counters.messagesDropped),
      counter('messages_barred', 'Messages that one subscriber may not receive.', counters.messagesBarred),
      counter('messages_refused', 'PUBLISH packets that were refused.', counters.messagesRefused),
      counter('connections_opened', 'Connections that were accepted.', counters.connectionsOpened),
      counter('protocol_errors', 'Connections that ended because of the client.', counters.protocolErrors),
    ];
    return router instanceof RedisRouter ? [...samples, ...samplesOf(router)] : samples;
  }
}

function samplesOf({ isReady, otherNodes, counters }: RedisRouter): Sample[] {
  return [
    ['mqttd_redis_up', 'gauge', 'Whether this node is connected to its Redis.', isReady ? 1 : 0],
    ['mqttd_other_nodes', 'gauge', 'Other nodes that are known.', otherNodes.length],
    counter('node_lossy_frames', 'Frames with QoS 0 for other nodes.', counters.lossyFrames),
    counter('node_reliable_frames', 'Frames with QoS 1 and 2 for other nodes.', counters.reliableFrames),
    counter('node_messages_dropped', 'QoS 0 messages that other nodes did not get.', counters.messagesDropped),
    counter('session_messages_queued', 'Messages put into the queues of sessions.', counters.messagesQueued),
    counter('session_gaps_filled', 'Reads of a queue for what had not been told of.', counters.gapsFilled),
    counter('node_frames_refused', 'Frames and log entries that were not understood.', counters.framesRefused),
  ];
}

type Sample = readonly [name: string, type: 'gauge' | 'counter', help: string, value?: number];

/** @param values by their labels; without any the sample has one of its own */
function textOf([name, type, help, value = 0]: Sample, values: readonly Labelled[] = [['', value]]): string {
  const lines = values.map(([label, one]) => `${name}${label} ${one}\n`);
  return `# HELP ${name} ${help}\n# TYPE ${name} ${type}\n${lines.join('')}`;
}

type Labelled = readonly [label: string, value: number];

const counter = (name: string, help: string, value: number): Sample => [`mqttd_${name}_total`, 'counter', help, value];

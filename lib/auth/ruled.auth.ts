import { Auth } from '../broker/auth.js';
import type { Client } from '../broker/client.js';
import type { TopicPermissions } from './topic-rules.js';

/** An Auth whose clients have topic rules; who they are is left to it. */
export abstract class RuledAuth extends Auth {
  protected abstract permissionsOf(client: Client): TopicPermissions;

  override mayPublish(client: Client, topic: string): boolean {
    return this.permissionsOf(client).mayPublish(client, topic);
  }

  override maySubscribe(client: Client, filter: string): boolean {
    return this.permissionsOf(client).maySubscribe(client, filter);
  }

  override mayReceive(client: Client, topic: string): boolean {
    return this.permissionsOf(client).mayReceive(client, topic);
  }
}

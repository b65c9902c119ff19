import { Auth } from '../../lib/broker/auth.js';
import type { Client } from '../../lib/broker/client.js';

/** Lets everybody in, and nobody publish or subscribe to what begins with `secret`; `barred` may not log in. */
export class GuardedAuth extends Auth {
  override authenticate({ username }: { readonly username: string | undefined }): boolean {
    return username !== 'barred';
  }

  override mayPublish(_client: Client, topic: string): boolean {
    return !topic.startsWith('secret');
  }

  override maySubscribe(_client: Client, filter: string): boolean {
    return !filter.startsWith('secret');
  }
}

import { Controller } from '@nestjs/common';
import { OnPublish, OnSubscribe, Topic } from 'nestjs-mqttd';
import { Inbox } from './inbox.js';

/** A controller that tells tests when a program, which says little, has subscribed or published. */
@Controller()
export class Witness {
  /** The filters, without `$share/group/`; messages published from now on reach them. */
  readonly subscribed = new Inbox<string>(10_000);
  /** The topics of published messages. */
  readonly published = new Inbox<string>(10_000);

  @OnSubscribe('#')
  seeSubscription(@Topic() filter: string): void {
    // The client is about to be subscribed.
    setImmediate(() => this.subscribed.push(filter));
  }

  @OnPublish('#')
  seeMessage(@Topic() topic: string): void {
    this.published.push(topic);
  }
}

import { Controller } from '@nestjs/common';
import { Payload } from '@nestjs/microservices';
import { MQTTdException, MQTTdPublisher, OnPublish, ReasonCode, TopicParam } from 'nestjs-mqttd';

/** Doors that say when they are opened; one that stays locked refuses. */
@Controller()
export class DoorsController {
  readonly locked = new Set<string>();

  constructor(private readonly publisher: MQTTdPublisher) {}

  @OnPublish('doors/:door/open', { mode: 'gate' })
  async open(@TopicParam('door') door: string, @Payload() by: string): Promise<void> {
    if (this.locked.has(door)) throw new MQTTdException(ReasonCode.NotAuthorized, `the ${door} door is locked`);
    await this.publisher.publish('doors/log', { door, by }, { qos: 1, messageExpiryInterval: 3600 });
  }
}

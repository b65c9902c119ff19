import { Injectable, type CanActivate, type ExecutionContext } from '@nestjs/common';
import type { MQTTdContext } from 'nestjs-mqttd';

/** A device speaks for itself alone: the level `:device` of the topic is its user name. */
@Injectable()
export class OwnDevice implements CanActivate {
  canActivate(context: ExecutionContext): boolean {
    const { client, params } = context.switchToRpc().getContext<MQTTdContext>();
    return client?.username === params.device;
  }
}

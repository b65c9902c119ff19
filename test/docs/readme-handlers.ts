import { Controller, ForbiddenException, UseGuards, ValidationPipe } from '@nestjs/common';
import { Payload } from '@nestjs/microservices';
import { IsNumber, Max, Min } from 'class-validator';
import {
  ConnectedClient,
  dropMessage,
  grantQoS,
  MQTTdContext,
  MQTTdException,
  OnConnect,
  OnDisconnect,
  OnPublish,
  OnSubscribe,
  OnUnsubscribe,
  ReasonCode,
  replaceMessage,
  TopicParam,
  type MQTTdClient,
} from 'nestjs-mqttd';
import type { CanActivate, ExecutionContext } from '@nestjs/common';

class MeterDto {
  @IsNumber()
  @Min(0)
  @Max(10_000)
  watts!: number;
}

/** Each device may only speak for itself. */
class OwnMeter implements CanActivate {
  canActivate(context: ExecutionContext): boolean {
    const { client, params } = context.switchToRpc().getContext<MQTTdContext>();
    return client?.clientId === params.id;
  }
}

@Controller()
export class MetersController {
  readonly online = new Set<string>();
  readonly stored: MeterDto[] = [];

  @OnConnect() // before the CONNACK; what it throws refuses the client
  welcome(@ConnectedClient() { clientId }: MQTTdClient) {
    if (clientId === 'retired') throw new MQTTdException(ReasonCode.Banned, 'this meter was replaced');
    this.online.add(clientId);
  }

  @OnDisconnect()
  goodbye(@ConnectedClient() { clientId }: MQTTdClient) {
    this.online.delete(clientId);
  }

  @OnPublish('meters/:id/reading', { mode: 'ack' }) // delivered at once, acknowledged when it is stored
  @UseGuards(new OwnMeter())
  async store(@Payload(new ValidationPipe({ expectedType: MeterDto })) reading: MeterDto) {
    this.stored.push(reading);
  }

  @OnPublish('meters/:id/name', { mode: 'gate' }) // nobody gets it before this says so
  rename(@Payload() name: string) {
    if (name === '') return dropMessage();
    return replaceMessage({ payload: name.trim(), retain: true });
  }

  @OnSubscribe('meters/:id/#') // before the SUBACK; what it throws refuses the subscription
  allow(@TopicParam('id') id: string) {
    if (id === 'secret') throw new ForbiddenException('not for you');
    return grantQoS(1, { topic: `meters/${id}/hello`, payload: 'welcome' });
  }

  @OnUnsubscribe('meters/:id/#')
  release(@TopicParam('id') id: string) {
    console.log(`meter ${id} has one listener less`);
  }
}

import { Controller, ForbiddenException, Logger, UseGuards, ValidationPipe } from '@nestjs/common';
import { Payload } from '@nestjs/microservices';
import {
  ConnectedClient,
  MQTTdException,
  OnConnect,
  OnPublish,
  OnSubscribe,
  ReasonCode,
  replaceMessage,
  TopicParam,
  type MQTTdClient,
} from 'nestjs-mqttd';
import { Devices } from './devices.js';
import { OwnDevice } from './own-device.guard.js';
import { ReadingDto } from './reading.dto.js';

@Controller()
export class ReadingsController {
  private readonly logger = new Logger(ReadingsController.name);

  constructor(private readonly devices: Devices) {}

  @OnConnect()
  enter(@ConnectedClient() { username = '' }: MQTTdClient): void {
    if (this.devices.isRetired(username)) throw new MQTTdException(ReasonCode.Banned, `${username} was replaced`);
  }

  /** Nobody gets a reading that is not the device's own, or not a reading; what passes has a time. */
  @OnPublish('devices/:device/reading', { mode: 'gate' })
  @UseGuards(OwnDevice)
  check(
    @Payload(new ValidationPipe({ expectedType: ReadingDto })) reading: ReadingDto,
    @TopicParam('device') device: string,
  ) {
    const { celsius, at = new Date().toISOString() } = reading;
    this.logger.log(`${device} says ${celsius} degrees`);
    return replaceMessage({ payload: { at, celsius } });
  }

  @OnSubscribe('devices/:device/#')
  listen(@TopicParam('device') device: string, @ConnectedClient() { username }: MQTTdClient): void {
    if (username !== device) throw new ForbiddenException(`only ${device} itself may listen to this`);
  }
}

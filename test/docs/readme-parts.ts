import { Injectable, Module } from '@nestjs/common';
import { Auth, MQTTdModule, RedisRouter, RedisStore, type Login } from 'nestjs-mqttd';

@Injectable()
export class Devices {
  readonly redis = process.env.REDIS_URL ?? 'redis://127.0.0.1:6379';

  isKnown(name: string, secret: string): boolean {
    return name === 'meter-7' && secret === 'from your database';
  }
}

@Injectable()
export class DevicesAuth extends Auth {
  constructor(private readonly devices: Devices) {
    super();
  }

  override authenticate({ username = '', password }: Login): boolean {
    return this.devices.isKnown(username, String(password));
  }
}

@Module({ providers: [Devices, DevicesAuth], exports: [Devices, DevicesAuth] })
export class DevicesModule {}

@Module({
  imports: [
    MQTTdModule.forRoot({
      port: Number(process.env.MQTT_PORT ?? 1883),
      imports: [DevicesModule],
      auth: { useExisting: DevicesAuth },
      router: { useFactory: ({ redis }: Devices) => new RedisRouter({ url: redis }), inject: [Devices] },
      store: { useClass: RedisStore },
    }),
  ],
})
export class AppModule {}

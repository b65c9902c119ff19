import { Module } from '@nestjs/common';
import { Devices } from './devices.js';

@Module({ providers: [Devices], exports: [Devices] })
export class DevicesModule {}

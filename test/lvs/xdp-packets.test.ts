/** The BPF program on a stock kernel 6.1: its verifier takes the object, and every row comes out as it does here. */
import { runPackets } from '../xdp/packets/suite.ts';

runPackets();

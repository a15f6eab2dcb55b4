/** The rows, one test each, on this machine's kernel. */
import { runPackets } from './suite.ts';

runPackets();

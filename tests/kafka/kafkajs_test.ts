/** The contract of the client port, kept by the adapter for KafkaJS. */
import { kafkajs } from "../../src/kafka/kafkajs/provider.ts";
import { clientContract } from "./client_contract.ts";

clientContract(kafkajs);

/** The contract of the client port, kept by the adapter for KafkaJS. */
import { kafkajs } from "../../src/kafka/kafkajs/provider.ts";
import { clientContract } from "./client_contract.ts";
import { moreOfClientContract } from "./client_contract_more.ts";

clientContract(kafkajs);
moreOfClientContract(kafkajs);

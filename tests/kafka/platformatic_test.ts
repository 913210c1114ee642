/** The client port on @platformatic/kafka. */
import { kafkajs } from "../../src/kafka/kafkajs/provider.ts";
import { platformatic } from "../../src/kafka/platformatic/provider.ts";
import { clientContract } from "./client_contract.ts";
import { moreOfClientContract } from "./client_contract_more.ts";

clientContract(platformatic, kafkajs);
moreOfClientContract(platformatic);

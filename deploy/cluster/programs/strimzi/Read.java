import com.fasterxml.jackson.databind.JsonNode;
import com.fasterxml.jackson.databind.MappingIterator;
import com.fasterxml.jackson.databind.ObjectMapper;
import com.fasterxml.jackson.databind.introspect.Annotated;
import com.fasterxml.jackson.databind.introspect.JacksonAnnotationIntrospector;
import com.fasterxml.jackson.dataformat.yaml.YAMLFactory;
import io.strimzi.api.kafka.model.kafka.Kafka;
import io.strimzi.api.kafka.model.nodepool.KafkaNodePool;
import io.strimzi.api.kafka.model.topic.KafkaTopic;
import io.strimzi.api.kafka.model.user.KafkaUser;
import java.io.IOException;
import java.util.Map;

/** Reads Strimzi's resources from its input by Strimzi's own classes; fails at a field that they do not know. */
public class Read {
    public static void main(String[] none) throws IOException {
        Map<String, Class<?>> kinds = Map.of("Kafka", Kafka.class, "KafkaNodePool", KafkaNodePool.class,
            "KafkaTopic", KafkaTopic.class, "KafkaUser", KafkaUser.class);
        ObjectMapper mapper = new ObjectMapper(new YAMLFactory());
        mapper.setAnnotationIntrospector(new JacksonAnnotationIntrospector() {
            @Override
            public Boolean hasAnySetter(Annotated member) {
                return false; // where the classes would keep unknown fields
            }
        });
        MappingIterator<JsonNode> all = mapper.readerFor(JsonNode.class).readValues(System.in);
        while (all.hasNext()) {
            JsonNode one = all.next();
            mapper.treeToValue(one, kinds.get(one.get("kind").asText()));
            System.out.println(one.get("kind").asText() + " " + one.get("metadata").get("name").asText());
        }
    }
}

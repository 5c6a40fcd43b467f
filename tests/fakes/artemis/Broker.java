import java.io.BufferedReader;
import java.io.InputStreamReader;
import java.net.ServerSocket;
import java.nio.ByteBuffer;
import java.util.ArrayList;
import java.util.Arrays;
import java.util.Base64;
import java.util.Date;
import java.util.EnumSet;
import java.util.HashMap;
import java.util.LinkedHashSet;
import java.util.List;
import java.util.Map;
import java.util.Set;
import java.util.concurrent.ConcurrentHashMap;
import java.util.concurrent.CopyOnWriteArrayList;
import java.util.concurrent.atomic.AtomicInteger;
import java.util.stream.Collectors;
import org.apache.activemq.artemis.api.core.ActiveMQException;
import org.apache.activemq.artemis.api.core.Message;
import org.apache.activemq.artemis.api.core.QueueConfiguration;
import org.apache.activemq.artemis.api.core.RoutingType;
import org.apache.activemq.artemis.api.core.SimpleString;
import org.apache.activemq.artemis.core.config.CoreAddressConfiguration;
import org.apache.activemq.artemis.core.config.impl.ConfigurationImpl;
import org.apache.activemq.artemis.core.postoffice.RoutingStatus;
import org.apache.activemq.artemis.core.security.CheckType;
import org.apache.activemq.artemis.core.security.Role;
import org.apache.activemq.artemis.core.server.ServerSession;
import org.apache.activemq.artemis.core.server.embedded.EmbeddedActiveMQ;
import org.apache.activemq.artemis.core.server.plugin.ActiveMQServerPlugin;
import org.apache.activemq.artemis.core.settings.impl.AddressSettings;
import org.apache.activemq.artemis.core.transaction.Transaction;
import org.apache.activemq.artemis.protocol.amqp.broker.AMQPMessage;
import org.apache.activemq.artemis.protocol.amqp.broker.AMQPStandardMessage;
import org.apache.activemq.artemis.protocol.amqp.broker.ActiveMQProtonRemotingConnection;
import org.apache.activemq.artemis.protocol.amqp.proton.AMQPConnectionContext;
import org.apache.activemq.artemis.spi.core.protocol.RemotingConnection;
import org.apache.activemq.artemis.spi.core.security.ActiveMQSecurityManager4;
import org.apache.qpid.proton.amqp.Binary;
import org.apache.qpid.proton.amqp.Symbol;
import org.apache.qpid.proton.amqp.messaging.AmqpValue;
import org.apache.qpid.proton.amqp.messaging.ApplicationProperties;
import org.apache.qpid.proton.amqp.messaging.Data;
import org.apache.qpid.proton.amqp.messaging.MessageAnnotations;
import org.apache.qpid.proton.amqp.messaging.Properties;
import org.apache.qpid.proton.amqp.messaging.Rejected;
import org.apache.qpid.proton.amqp.transport.ErrorCondition;
import org.apache.qpid.proton.amqp.transport.Target;
import org.apache.qpid.proton.codec.AMQPDefinedTypes;
import org.apache.qpid.proton.codec.DecoderImpl;
import org.apache.qpid.proton.codec.EncoderImpl;
import org.apache.qpid.proton.engine.Delivery;
import org.apache.qpid.proton.engine.EndpointState;
import org.apache.qpid.proton.engine.Link;
import org.apache.qpid.proton.engine.Receiver;

/**
 * ActiveMQ Artemis, listening for AMQP 1.0, with what the tests need of it: answers at $cbs and $management, one line of
 * JSON on standard output for each transfer that it stored, and faults that are asked for on standard input.
 *
 * <p>Arguments: the names of the queues. As in Service Bus, no other one can be sent to.
 */
public final class Broker implements ActiveMQServerPlugin {
  private static final String CBS = "$cbs";
  private static final String MANAGEMENT = "/$management";
  private static final EnumSet<EndpointState> ANY = EnumSet.allOf(EndpointState.class);

  private record Stored(byte[] message, Date at) {}

  private final Map<String, AtomicInteger> faults = new ConcurrentHashMap<>();
  private final Map<String, List<Stored>> stored = new ConcurrentHashMap<>();
  private final EmbeddedActiveMQ artemis = new EmbeddedActiveMQ();
  private String base;

  public static void main(String[] queues) throws Exception {
    new Broker().run(queues);
  }

  private void run(String[] queues) throws Exception {
    int port;
    try (ServerSocket free = new ServerSocket(0)) {
      port = free.getLocalPort();
    }
    // The SDK's links name their queues with the address of the namespace before.
    base = "amqps://127.0.0.1:" + port + "/";
    ConfigurationImpl settings = new ConfigurationImpl();
    settings.setPersistenceEnabled(false).setJMXManagementEnabled(false).setSecurityEnabled(true);
    settings.addAcceptorConfiguration(
        "amqp", "tcp://127.0.0.1:" + port + "?protocols=AMQP;amqpIdleTimeout=0;supportAdvisory=false");
    settings.addAddressSetting(
        "#", new AddressSettings().setAutoCreateAddresses(false).setAutoCreateQueues(true));
    settings.addAddressConfiguration(asked(CBS));
    for (String name : queues) {
      for (String queue : List.of(name, name + "/$DeadLetterQueue")) {
        settings.addAddressConfiguration(asked(queue + MANAGEMENT));
        settings.addAddressConfiguration(
            new CoreAddressConfiguration()
                .setName(base + queue)
                .addRoutingType(RoutingType.ANYCAST)
                .addQueueConfiguration(
                    QueueConfiguration.of(base + queue).setRoutingType(RoutingType.ANYCAST)));
      }
    }
    settings.registerBrokerPlugin(this);
    artemis.setConfiguration(settings).setSecurityManager(new Security()).start();
    say("{\"port\": " + port + "}");
    BufferedReader commands = new BufferedReader(new InputStreamReader(System.in));
    for (String line = commands.readLine(); line != null; line = commands.readLine()) {
      obey(line.split(" "));
      say("{\"done\": " + text(line) + "}");
    }
    artemis.stop();
    System.exit(0); // whoever started it has gone, or wants it gone
  }

  /** Where requests and their answers go, to everybody who listens: the SDK takes what answers a request of its own. */
  private static CoreAddressConfiguration asked(String name) {
    return new CoreAddressConfiguration().setName(name).addRoutingType(RoutingType.MULTICAST);
  }

  /** `FAULT NAME COUNT` plans a fault for the next so many; `detach NAME CONDITION` and `drop NAME` act at once. */
  private void obey(String[] words) throws Exception {
    if (words[0].equals("detach")) {
      atEach(words[1], (amqp, link) -> detach(amqp, link, words[2]));
    } else if (words[0].equals("drop")) {
      for (RemotingConnection each : connectionsOf(words[1])) {
        each.getTransportConnection().forceClose();
      }
    } else if (words[0].equals("forget")) {
      faults.clear();
      stored.clear();
    } else {
      faults.computeIfAbsent(words[0] + " " + words[1], key -> new AtomicInteger())
          .set(Integer.parseInt(words[2]));
    }
  }

  private boolean due(String fault, String name) {
    AtomicInteger left = faults.get(fault + " " + name);
    return left != null && left.getAndUpdate(count -> Math.max(0, count - 1)) > 0;
  }

  // --- links

  private interface Act {
    void on(AMQPConnectionContext amqp, Receiver link);
  }

  private List<RemotingConnection> connectionsOf(String queue) {
    List<RemotingConnection> found = new ArrayList<>();
    for (RemotingConnection each : artemis.getActiveMQServer().getRemotingService().getConnections()) {
      if (linkOf(each, queue) != null) {
        found.add(each);
      }
    }
    return found;
  }

  private void atEach(String queue, Act act) {
    for (RemotingConnection each : connectionsOf(queue)) {
      at(each, queue, act);
    }
  }

  private void at(RemotingConnection connection, String queue, Act act) {
    AMQPConnectionContext amqp = ((ActiveMQProtonRemotingConnection) connection).getAmqpConnection();
    amqp.runNow(
        () -> {
          act.on(amqp, linkOf(connection, queue));
          amqp.instantFlush(); // before Artemis itself says anything else
        });
  }

  private Receiver linkOf(RemotingConnection connection, String queue) {
    AMQPConnectionContext amqp = ((ActiveMQProtonRemotingConnection) connection).getAmqpConnection();
    Link link = amqp.getHandler().getConnection().linkHead(ANY, EnumSet.of(EndpointState.ACTIVE));
    for (; link != null; link = link.next(ANY, EnumSet.of(EndpointState.ACTIVE))) {
      if (link instanceof Receiver
          && link.getRemoteTarget() instanceof Target
          && (base + queue).equals(((Target) link.getRemoteTarget()).getAddress())) {
        return (Receiver) link;
      }
    }
    return null;
  }

  private static void detach(AMQPConnectionContext amqp, Receiver link, String condition) {
    link.setCondition(new ErrorCondition(Symbol.valueOf(condition), "asked for by a test"));
    link.close();
  }

  private static void reject(Receiver link, String condition) {
    Rejected rejected = new Rejected();
    ErrorCondition error = new ErrorCondition(Symbol.valueOf(condition), "asked for by a test");
    error.setInfo(Map.of()); // the SDK reads no error that leaves this out
    rejected.setError(error);
    Delivery delivery = link.head();
    delivery.disposition(rejected);
    delivery.settle();
  }

  // --- messages

  @Override
  public void beforeSend(
      ServerSession session, Transaction tx, Message message, boolean direct, boolean noAutoCreate)
      throws ActiveMQException {
    String queue = queueOf(message);
    if (queue != null && due("busy", queue)) {
      at(session.getRemotingConnection(), queue, (amqp, link) -> reject(link, "com.microsoft:server-busy"));
      throw new ActiveMQException("busy"); // so that it is not stored; what was said to the client stays said
    }
  }

  @Override
  public void afterSend(
      ServerSession session,
      Transaction tx,
      Message message,
      boolean direct,
      boolean noAutoCreate,
      RoutingStatus result) {
    String queue = queueOf(message);
    String address = message.getAddress();
    if (queue != null) {
      List<byte[]> messages = messagesOf((AMQPMessage) message);
      keep(queue, messages);
      say(transfer(queue, ((AMQPMessage) message).getMessageFormat(), messages));
      if (due("mute", queue)) {
        session.getRemotingConnection().getTransportConnection().forceClose();
      }
    } else if (CBS.equals(address)) {
      answerToken(new Request((AMQPMessage) message));
    } else if (address.endsWith(MANAGEMENT)) {
      String asked = address.substring(0, address.length() - MANAGEMENT.length());
      answerManagement(asked, new Request((AMQPMessage) message));
    }
  }

  private String queueOf(Message message) {
    String address = message.getAddress();
    return address != null && address.startsWith(base) ? address.substring(base.length()) : null;
  }

  private void keep(String queue, List<byte[]> messages) {
    List<Stored> kept = stored.computeIfAbsent(queue, key -> new CopyOnWriteArrayList<>());
    messages.forEach(each -> kept.add(new Stored(each, new Date())));
  }

  // --- requests that Artemis does not know: these answers are ours

  private static final class Request {
    final String address;
    Properties properties = new Properties();
    Map<String, Object> claims = Map.of();
    Object value;

    Request(AMQPMessage message) {
      address = message.getAddress();
      for (Object section : sections(bytes(message))) {
        if (section instanceof Properties) {
          properties = (Properties) section;
        } else if (section instanceof ApplicationProperties) {
          claims = ((ApplicationProperties) section).getValue();
        } else if (section instanceof AmqpValue) {
          value = ((AmqpValue) section).getValue();
        }
      }
    }

    boolean is(String operation) {
      return operation.equals(claims.get("operation"));
    }
  }

  /** Claims-based security (draft OASIS AMQP CBS 1.0): each token is taken, unless a refusal is due. */
  private void answerToken(Request request) {
    if (!request.is("put-token")) {
      return; // everybody who listens hears the answers too, and so does this
    }
    String audience = String.valueOf(request.claims.get("name"));
    boolean refused = due("refuse-token", audience.substring(audience.lastIndexOf('/') + 1));
    say("{\"token\": " + text(audience) + ", \"refused\": " + refused + "}");
    answer(
        request,
        refused
            ? Map.of("status-code", 401, "status-description", "InvalidToken: the token has expired")
            : Map.of("status-code", 202, "status-description", "Accepted"),
        null);
  }

  /** Service Bus: peek-message and get-message-sessions, from what was stored. */
  private void answerManagement(String queue, Request request) {
    List<Stored> kept = stored.getOrDefault(queue, List.of());
    Map<?, ?> asked = request.value instanceof Map ? (Map<?, ?>) request.value : Map.of();
    Map<String, Object> found;
    if (request.is("com.microsoft:peek-message")) {
      int most = ((Number) asked.get("message-count")).intValue();
      List<Object> messages = new ArrayList<>();
      for (Stored each : kept.subList(0, Math.min(most, kept.size()))) {
        messages.add(Map.of("message", new Binary(peeked(each, messages.size() + 1))));
      }
      found = messages.isEmpty() ? null : Map.of("messages", messages);
    } else if (request.is("com.microsoft:get-message-sessions")) {
      Set<String> sessions = new LinkedHashSet<>();
      kept.forEach(each -> sessions.add(sessionOf(each)));
      int skip = ((Number) asked.get("skip")).intValue();
      int top = ((Number) asked.get("top")).intValue();
      List<String> page = sessions.stream().skip(skip).limit(top).collect(Collectors.toList());
      found = page.isEmpty() ? null : Map.of("skip", skip + page.size(), "sessions-ids", page.toArray(new String[0]));
    } else {
      return;
    }
    answer(request, Map.of("statusCode", found == null ? 204 : 200, "statusDescription", "OK"), found);
  }

  private static byte[] peeked(Stored each, long number) {
    org.apache.qpid.proton.message.Message message = org.apache.qpid.proton.message.Message.Factory.create();
    message.decode(each.message(), 0, each.message().length);
    Map<Symbol, Object> annotations = new HashMap<>();
    if (message.getMessageAnnotations() != null) {
      annotations.putAll(message.getMessageAnnotations().getValue());
    }
    boolean scheduled = annotations.containsKey(Symbol.valueOf("x-opt-scheduled-enqueue-time"));
    annotations.put(Symbol.valueOf("x-opt-sequence-number"), number);
    annotations.put(Symbol.valueOf("x-opt-enqueued-time"), each.at());
    annotations.put(Symbol.valueOf("x-opt-message-state"), scheduled ? 2 : 0);
    message.setMessageAnnotations(new MessageAnnotations(annotations));
    byte[] room = new byte[each.message().length + 1024];
    return Arrays.copyOf(room, message.encode(room, 0, room.length));
  }

  private static String sessionOf(Stored each) {
    for (Object section : sections(each.message())) {
      if (section instanceof Properties) {
        return ((Properties) section).getGroupId();
      }
    }
    return "";
  }

  private void answer(Request request, Map<String, Object> status, Object value) {
    Properties properties = new Properties();
    properties.setCorrelationId(request.properties.getMessageId());
    AMQPMessage answer =
        AMQPStandardMessage.createMessage(
            artemis.getActiveMQServer().getStorageManager().generateID(), 0, SimpleString.of(request.address), null,
            properties, null, null, status, null, new AmqpValue(value));
    answer.setAddress(request.address);
    answer.setRoutingType(RoutingType.MULTICAST);
    artemis.getActiveMQServer().getExecutorFactory().getExecutor().execute(
        () -> {
          try {
            artemis.getActiveMQServer().getPostOffice().route(answer, false);
          } catch (Exception error) {
            throw new IllegalStateException(error);
          }
        });
  }

  private static byte[] bytes(AMQPMessage message) {
    ByteBuffer buffer = message.getSendBuffer(0, null).byteBuffer();
    byte[] all = new byte[buffer.remaining()];
    buffer.get(all);
    return all;
  }

  private static List<Object> sections(byte[] encoded) {
    DecoderImpl decoder = new DecoderImpl();
    AMQPDefinedTypes.registerAllTypes(decoder, new EncoderImpl(decoder));
    ByteBuffer buffer = ByteBuffer.wrap(encoded);
    decoder.setByteBuffer(buffer);
    List<Object> found = new ArrayList<>();
    while (buffer.hasRemaining()) {
      found.add(decoder.readObject());
    }
    return found;
  }

  // --- JSON

  private static List<byte[]> messagesOf(AMQPMessage message) {
    List<byte[]> messages = new ArrayList<>();
    if (message.getMessageFormat() == 0) {
      messages.add(bytes(message));
    } else {
      for (Object section : sections(bytes(message))) {
        if (section instanceof Data) {
          messages.add(array(((Data) section).getValue()));
        }
      }
    }
    return messages;
  }

  private static String transfer(String queue, long format, List<byte[]> messages) {
    String described = messages.stream().map(Broker::described).collect(Collectors.joining(", "));
    return "{\"queue\": " + text(queue) + ", \"format\": " + format + ", \"messages\": [" + described + "]}";
  }

  private static String described(byte[] encoded) {
    String id = "null";
    String group = "null";
    String body = "null";
    String annotations = "{}";
    String properties = "{}";
    for (Object section : sections(encoded)) {
      if (section instanceof Properties) {
        id = value(((Properties) section).getMessageId());
        group = value(((Properties) section).getGroupId());
      } else if (section instanceof MessageAnnotations) {
        annotations = map(((MessageAnnotations) section).getValue());
      } else if (section instanceof ApplicationProperties) {
        properties = map(((ApplicationProperties) section).getValue());
      } else if (section instanceof Data) {
        body = text(Base64.getEncoder().encodeToString(array(((Data) section).getValue())));
      }
    }
    return "{\"id\": " + id + ", \"group\": " + group + ", \"annotations\": " + annotations + ", \"properties\": "
        + properties + ", \"body\": " + body + "}";
  }

  private static byte[] array(Binary binary) {
    byte[] copy = new byte[binary.getLength()];
    System.arraycopy(binary.getArray(), binary.getArrayOffset(), copy, 0, copy.length);
    return copy;
  }

  private static String map(Map<?, ?> entries) {
    List<String> pairs = new ArrayList<>();
    entries.forEach((key, value) -> pairs.add(text(key.toString()) + ": " + value(value)));
    return "{" + String.join(", ", pairs) + "}";
  }

  /** A timestamp becomes an object with its milliseconds, so that it is told apart from a number. */
  private static String value(Object value) {
    if (value == null || value instanceof Number || value instanceof Boolean) {
      return String.valueOf(value);
    }
    return value instanceof Date ? "{\"timestamp\": " + ((Date) value).getTime() + "}" : text(value.toString());
  }

  private static String text(String value) {
    StringBuilder json = new StringBuilder("\"");
    for (char letter : value.toCharArray()) {
      if (letter == '"' || letter == '\\' || letter < ' ' || letter > '~') {
        json.append(String.format("\\u%04x", (int) letter));
      } else {
        json.append(letter);
      }
    }
    return json.append('"').toString();
  }

  private static synchronized void say(String json) {
    System.out.println(json);
    System.out.flush();
  }

  /** Everybody may do everything, unless a refusal is due. */
  private final class Security implements ActiveMQSecurityManager4 {
    private static final String ANYBODY = "anybody";

    @Override
    public String validateUser(String user, String password, RemotingConnection connection, String domain) {
      return ANYBODY;
    }

    @Override
    public String validateUserAndRole(
        String user, String password, Set<Role> roles, CheckType check, String address, RemotingConnection connection,
        String domain) {
      boolean sending = check == CheckType.SEND && address.startsWith(base);
      return sending && due("deny", address.substring(base.length())) ? null : ANYBODY;
    }

    @Override
    public boolean validateUser(String user, String password) {
      return true;
    }

    @Override
    public boolean validateUserAndRole(String user, String password, Set<Role> roles, CheckType check) {
      return true;
    }
  }
}

using System.Buffers;
using System.Text.Json;

namespace BillingMigration.Simulation;

/// <summary>A complete answer to a request.</summary>
internal sealed record ServiceAnswer(int Status, ReadOnlyMemory<byte> Body);

/// <summary>What happens to a request from its arrival at the service until its answer is ready.</summary>
internal sealed class Service(Database database, Chance chance, SimulationOptions options, VirtualTime time)
{
    /// <summary>A request that comes later after it was signed is refused.</summary>
    private static readonly TimeSpan SignatureLife = TimeSpan.FromMinutes(5);

    private static readonly string[] ThrottlingTypes = ["ProvisionedThroughputExceededException", "ThrottlingException", "RequestLimitExceeded"];
    private readonly TableRequests tables = new(database, time);
    private readonly Reads reads = new(database, chance, options, time);
    private readonly SingleWrites writes = new(database, chance, options, time);
    private readonly Transactions transactions = new(database, chance, options, time);
    private Pages? pages;

    public Dictionary<string, long> Requests { get; } = new(StringComparer.Ordinal);

    private Pages Pages => pages ??= new Pages(database, reads);

    public void Arrive(SimulatedRequest sent, FaultKind? fault, Action<ServiceAnswer> answer)
    {
        Requests[sent.Operation] = Requests.GetValueOrDefault(sent.Operation) + 1;
        var fails = fault != FaultKind.None && chance.Of(options.InternalError);
        var answerFails = fails && chance.Of(0.5);
        Guard(answer, () =>
        {
            if (fault == FaultKind.InternalError || (fails && !answerFails))
            {
                throw Internal();
            }

            if (fault == FaultKind.Throttle || (fault != FaultKind.None && chance.Of(options.Throttle)))
            {
                throw new ServiceError(ThrottlingTypes[chance.Below(fault is null ? ThrottlingTypes.Length : 1)], "The rate of requests is too high");
            }

            if (TimeSpan.FromTicks(time.Now - sent.SentAt) > SignatureLife)
            {
                throw new ServiceError("InvalidSignatureException", "Signature expired");
            }

            Begin(sent, Parse(sent), fault == FaultKind.Conflict, answerFails ? _ => answer(Answer(Internal())) : answer);
        });
    }

    private static JsonElement Parse(SimulatedRequest sent)
    {
        try
        {
            var root = JsonDocument.Parse(sent.Body).RootElement;
            return root.ValueKind == JsonValueKind.Object ? root : throw new ServiceError("SerializationException", "The body is no object");
        }
        catch (JsonException error)
        {
            throw new ServiceError("SerializationException", error.Message);
        }
    }

    private static ServiceError Internal() => new("InternalServerError", "The request processing has failed because of an unknown error", 500);

    private static ServiceAnswer Answer(Action<Utf8JsonWriter> write)
    {
        var buffer = new ArrayBufferWriter<byte>(512);
        using (var json = ItemJson.Writer(buffer))
        {
            json.WriteStartObject();
            write(json);
            json.WriteEndObject();
        }

        return new ServiceAnswer(200, buffer.WrittenMemory);
    }

    private static ServiceAnswer Answer(ServiceError error)
    {
        var space = error.Type is "ValidationException" or "SerializationException" or "ThrottlingException" ? "com.amazon.coral.validate#" : "com.amazonaws.dynamodb.v20120810#";
        return Answer(json =>
        {
            json.WriteString("__type"u8, space + error.Type);

            // DynamoDB spells this member of a cancelled transaction with a capital letter.
            json.WriteString(error.Type == "TransactionCanceledException" ? "Message"u8 : "message"u8, error.Message);
            error.Details?.Invoke(json);
        }) with { Status = error.Status };
    }

    private static void Guard(Action<ServiceAnswer> answer, Action act)
    {
        ServiceAnswer refused;
        try
        {
            act();
            return;
        }
        catch (ServiceError error)
        {
            refused = Answer(error);
        }
        catch (Exception error) when (error is InvalidOperationException or KeyNotFoundException or FormatException or ArgumentException or OverflowException or JsonException)
        {
            refused = Answer(new ServiceError("SerializationException", error.Message));
        }

        answer(refused);
    }

    private void Begin(SimulatedRequest sent, JsonElement request, bool conflict, Action<ServiceAnswer> answer)
    {
        switch (sent.Operation)
        {
            case "TransactWriteItems":
                transactions.Begin(sent, request, conflict, (write, error, seenAfter) =>
                    After(seenAfter, () => answer(error is null ? Answer(write!) : Answer(error))));
                break;
            case "BatchWriteItem":
                writes.WriteBatch(sent, request, conflict, write => answer(Answer(write)));
                break;
            default:
                var arrived = time.Now;
                After(chance.Span(options.Work), () =>
                {
                    ServiceAnswer? result = null;
                    Guard(refused => result = refused, () => result = Answer(json => Execute(sent, request, conflict, json, arrived)));
                    answer(result!);
                });
                break;
        }
    }

    private void After(TimeSpan span, Action action)
    {
        if (span == TimeSpan.Zero)
        {
            action();
        }
        else
        {
            time.Schedule(span, action);
        }
    }

    private void Execute(SimulatedRequest sent, JsonElement request, bool conflict, Utf8JsonWriter json, long arrived)
    {
        switch (sent.Operation)
        {
            case "GetItem": reads.Get(request, json, arrived); break;
            case "BatchGetItem": reads.Batch(request, json, arrived); break;
            case "TransactGetItems": reads.Transact(request, json); break;
            case "Query": Pages.Query(request, json, arrived); break;
            case "Scan": Pages.Scan(request, json, arrived); break;
            case "PutItem": writes.Write(WriteKind.Put, sent, request, conflict, json); break;
            case "UpdateItem": writes.Write(WriteKind.Update, sent, request, conflict, json); break;
            case "DeleteItem": writes.Write(WriteKind.Delete, sent, request, conflict, json); break;
            case "CreateTable": tables.Create(request, json); break;
            case "DescribeTable": tables.Describe(request, json); break;
            case "UpdateTable": tables.Update(request, json); break;
            case "DeleteTable": tables.Delete(request, json); break;
            case "UpdateTimeToLive": tables.UpdateTimeToLive(request, json); break;
            case "DescribeTimeToLive": tables.DescribeTimeToLive(request, json); break;
            default: throw new ServiceError("UnknownOperationException", $"The simulation does not model {sent.Operation}");
        }
    }
}

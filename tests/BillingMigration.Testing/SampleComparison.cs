using System.Collections.Concurrent;
using System.Globalization;
using System.IO.Hashing;
using System.Text;
using Amazon.DynamoDBv2;
using Amazon.DynamoDBv2.Model;
using MySqlConnector;

namespace BillingMigration.Testing;

/// <param name="Rows">Rows in the six source tables.</param>
/// <param name="Items">Items in the billing table.</param>
/// <param name="Differences">At most 1,000: missing, extra or different items, by key.</param>
public sealed record ComparisonResult(long Rows, long Items, IReadOnlyList<string> Differences);

/// <summary>
/// Compares the sample database with the billing table item for item, sharing no code with the product: rows are read as .NET values and
/// mapped by hand, items are read by the SDK's Scan.
/// </summary>
public static class SampleComparison
{
    private const int Segments = 64;
    private const int MostDifferences = 1000;
    private const int MostTold = 50;

    /// <param name="lookups">True: agreements and charges have a key made of their subscriber and account, as in the trial of the sync.</param>
    public static async Task<ComparisonResult> CompareAsync(string connectionString, IAmazonDynamoDB client, string table, bool lookups = false)
    {
        var expected = new ConcurrentDictionary<string, UInt128>();
        var differences = new ConcurrentQueue<string>();
        var told = new ConcurrentDictionary<string, Dictionary<string, string>>();
        await ReadRowsAsync(connectionString, lookups, (key, attributes) =>
        {
            if (!expected.TryAdd(key, Digest(attributes)))
            {
                differences.Enqueue("two rows for " + key);
            }
        });
        long rows = expected.Count, items = 0;
        await Parallel.ForAsync(0, Segments, new ParallelOptions { MaxDegreeOfParallelism = 4 }, async (segment, ct) =>
        {
            var request = new ScanRequest { TableName = table, Segment = segment, TotalSegments = Segments, ConsistentRead = true };
            do
            {
                var page = await client.ScanAsync(request, ct);
                Interlocked.Add(ref items, page.Items.Count);
                foreach (var item in page.Items)
                {
                    var key = $"{item["pk"].S} {item["sk"].S}";
                    if (!expected.TryRemove(key, out var digest))
                    {
                        differences.Enqueue("extra " + key);
                    }
                    else if (digest != Digest(item.Select(a => (a.Key, Text(a.Value)))))
                    {
                        if (told.Count >= MostTold || !told.TryAdd(key, item.ToDictionary(a => a.Key, a => Text(a.Value))))
                        {
                            differences.Enqueue("different " + key);
                        }
                    }
                }

                request.ExclusiveStartKey = page.LastEvaluatedKey;
            }
            while (request.ExclusiveStartKey is { Count: > 0 });
        });
        foreach (var key in expected.Keys)
        {
            differences.Enqueue("missing " + key);
        }

        if (!told.IsEmpty)
        {
            await ReadRowsAsync(connectionString, lookups, (key, attributes) =>
            {
                if (told.TryGetValue(key, out var item))
                {
                    differences.Enqueue($"different {key}: {Difference(attributes.ToDictionary(a => a.Name, a => a.Value), item)}");
                }
            });
        }

        return new ComparisonResult(rows, items, [.. differences.Take(MostDifferences)]);
    }

    private static string Difference(Dictionary<string, string> row, Dictionary<string, string> item) => string.Join(
        ", ",
        row.Keys.Union(item.Keys).Where(name => row.GetValueOrDefault(name) != item.GetValueOrDefault(name)).Order(StringComparer.Ordinal)
            .Select(name => $"{name} is {item.GetValueOrDefault(name, "absent")} and not {row.GetValueOrDefault(name, "NULL")}"));

    private static async Task ReadRowsAsync(string connectionString, bool lookups, Action<string, IReadOnlyCollection<(string Name, string Value)>> take)
    {
        var builder = new MySqlConnectionStringBuilder(connectionString) { TreatTinyAsBoolean = false, DefaultCommandTimeout = 0, Pooling = false };
        await using var connection = new MySqlConnection(builder.ConnectionString);
        await connection.OpenAsync();
        await using (var zone = new MySqlCommand("SET time_zone = '+00:00'", connection))
        {
            await zone.ExecuteNonQueryAsync();
        }

        foreach (var (table, entity) in SampleKeys.Entities)
        {
            await using var command = new MySqlCommand(lookups ? SampleKeys.WithLookups(table) : $"SELECT * FROM {table}", connection);
            await using var reader = await command.ExecuteReaderAsync();
            while (await reader.ReadAsync())
            {
                var row = new Dictionary<string, string>();
                for (var i = 0; i < reader.FieldCount; i++)
                {
                    if (!await reader.IsDBNullAsync(i))
                    {
                        row[reader.GetName(i)] = Text(reader, i);
                    }
                }

                var attributes = SampleKeys.Of(entity, row).Concat(row.Select(c => (c.Key, c.Value))).ToList();
                var key = $"{attributes.First(a => a.Item1 == "pk").Item2[2..]} {attributes.First(a => a.Item1 == "sk").Item2[2..]}";
                take(key, attributes);
            }
        }
    }

    private static string Text(MySqlDataReader reader, int column)
    {
        var value = reader.GetValue(column);
        return value switch
        {
            DateTime time => reader.GetDataTypeName(column) switch
            {
                "DATE" => "S:" + time.ToString("yyyy-MM-dd", CultureInfo.InvariantCulture),
                "TIMESTAMP" => "S:" + time.ToString("yyyy-MM-dd'T'HH:mm:ss.ffffff'Z'", CultureInfo.InvariantCulture),
                _ => "S:" + time.ToString("yyyy-MM-dd'T'HH:mm:ss.ffffff", CultureInfo.InvariantCulture),
            },
            decimal number => "N:" + Number(number),
            byte[] bytes => "B:" + Convert.ToBase64String(bytes),
            string text => "S:" + text,
            IFormattable number => "N:" + number.ToString(null, CultureInfo.InvariantCulture),
            _ => throw new InvalidOperationException($"No text for {value.GetType()}."),
        };
    }

    private static string Text(AttributeValue value) =>
        value.S is not null ? "S:" + value.S
        : value.N is not null ? "N:" + Number(decimal.Parse(value.N, NumberStyles.Float, CultureInfo.InvariantCulture))
        : "B:" + Convert.ToBase64String(value.B.ToArray());

    // Of equal decimals the division leaves the one without trailing zeros.
    private static string Number(decimal number) => (number / 1.0000000000000000000000000000m).ToString(CultureInfo.InvariantCulture);

    private static UInt128 Digest(IEnumerable<(string Name, string Value)> attributes)
    {
        var text = string.Join('\n', attributes.OrderBy(a => a.Name, StringComparer.Ordinal).Select(a => $"{a.Name}={a.Value}"));
        return XxHash128.HashToUInt128(Encoding.UTF8.GetBytes(text));
    }
}

/// <summary>The keys of the sample model, written down a second time by hand.</summary>
internal static class SampleKeys
{
    public static (string Table, string Entity)[] Entities { get; } =
    [
        ("customer", "CUSTOMER"), ("billing_account", "BILLING_ACCOUNT"), ("subscriber", "SUBSCRIBER"), ("service_agreement", "SERVICE_AGREEMENT"),
        ("bill", "BILL"), ("charge", "CHARGE"),
    ];

    private const string LookedUp = "looked up";

    public static string WithLookups(string table) => table switch
    {
        "service_agreement" => $"SELECT a.*, s.status AS `{LookedUp}` FROM service_agreement a JOIN subscriber s USING (subscriber_id)",
        "charge" => $"SELECT c.*, a.payment_method AS `{LookedUp}` FROM charge c JOIN billing_account a USING (account_id)",
        _ => $"SELECT * FROM {table}",
    };

    public static IEnumerable<(string Name, string Value)> Of(string entity, Dictionary<string, string> row)
    {
        string V(string column) => row[column][2..];
        string Padded(string column) => V(column).PadLeft(20, '0');
        string Shard(string column) => (ulong.Parse(V(column), CultureInfo.InvariantCulture) % 16).ToString("D2", CultureInfo.InvariantCulture);
        string Month(string column) => V(column)[..7];
        var keys = new List<(string, string)>();
        if (row.Remove(LookedUp, out var of))
        {
            var (prefix, kind, id) = entity == "CHARGE" ? ("METHOD", "CHARGE", "charge_id") : ("SUBSCRIBER_STATUS", "AGREEMENT", "agreement_id");
            keys.AddRange([("gsi5pk", $"{prefix}#{of[2..]}#{Shard(id)}"), ("gsi5sk", $"{kind}#{Padded(id)}")]);
        }

        void Key(string prefix, string pk, string sk) => keys.AddRange([(prefix + "pk", pk), (prefix + "sk", sk)]);
        switch (entity)
        {
            case "CUSTOMER":
                Key("", "CUSTOMER#" + V("customer_id"), "CUSTOMER");
                Key("gsi2", "CUSTOMER_NUMBER#" + V("customer_number"), "CUSTOMER");
                break;
            case "BILLING_ACCOUNT":
                Key("", "ACCOUNT#" + V("account_id"), "ACCOUNT");
                Key("gsi1", "CUSTOMER#" + V("customer_id"), "ACCOUNT#" + Padded("account_id"));
                Key("gsi2", "ACCOUNT_NUMBER#" + V("account_number"), "ACCOUNT");
                break;
            case "SUBSCRIBER":
                Key("", "ACCOUNT#" + V("account_id"), "SUBSCRIBER#" + Padded("subscriber_id"));
                Key("gsi1", "SUBSCRIBER#" + V("subscriber_id"), "SUBSCRIBER");
                Key("gsi2", "PHONE#" + V("phone_number"), "SUBSCRIBER");
                break;
            case "SERVICE_AGREEMENT":
                Key("", "ACCOUNT#" + V("account_id"), $"SUBSCRIBER#{Padded("subscriber_id")}#AGREEMENT#{Padded("agreement_id")}");
                Key("gsi1", "SUBSCRIBER#" + V("subscriber_id"), "AGREEMENT#" + Padded("agreement_id"));
                Key("gsi2", "AGREEMENT#" + V("agreement_id"), "AGREEMENT");
                if (row.ContainsKey("end_date"))
                {
                    Key("gsi3", $"AGREEMENT_END#{Month("end_date")}#{Shard("agreement_id")}", $"{V("end_date")}#{Padded("agreement_id")}");
                }

                break;
            case "BILL":
                Key("", "ACCOUNT#" + V("account_id"), $"BILL#{V("bill_date")}#{Padded("bill_id")}");
                Key("gsi1", "BILL#" + V("bill_id"), "BILL");
                Key("gsi2", "BILL_NUMBER#" + V("bill_number"), "BILL");
                if (V("status") is "ISSUED" or "OVERDUE")
                {
                    Key("gsi3", "OPEN_BILL#" + Shard("bill_id"), $"{V("due_date")}#{Padded("bill_id")}");
                }

                Key("gsi4", $"BILL#{Month("bill_date")}#{Shard("bill_id")}", $"{V("status")}#{V("bill_date")}#{Padded("bill_id")}");
                break;
            default:
                var at = $"CHARGE#{V("charged_at")}#{Padded("charge_id")}";
                Key("", "ACCOUNT#" + V("account_id"), at);
                Key("gsi1", row.ContainsKey("bill_id") ? "BILL#" + V("bill_id") : $"ACCOUNT#{V("account_id")}#UNBILLED", at);
                Key("gsi2", "CHARGE#" + V("charge_id"), "CHARGE");
                if (row.ContainsKey("subscriber_id"))
                {
                    Key("gsi3", "SUBSCRIBER#" + V("subscriber_id"), at);
                }

                Key("gsi4", $"CHARGE#{Month("charged_at")}#{Shard("charge_id")}", $"{V("charge_type")}#{V("charged_at")}#{Padded("charge_id")}");
                break;
        }

        return keys.Append(("entity", entity)).Select(k => (k.Item1, "S:" + k.Item2));
    }
}

using System.Globalization;
using Amazon.DynamoDBv2.Model;
using BillingMigration.Testing;

namespace BillingMigration.Torture;

/// <summary>Plants faults of every kind in the billing table, by the SDK and by chance, and knows the keys at which each must be found.</summary>
/// <param name="oddOnly">Only rows with odd numbers, which <see cref="EvenWriter"/> leaves alone.</param>
public sealed class Corruptor(SampleMigration migration, int seed, bool oddOnly = false)
{
    private const int Kinds = 9;
    private const int Writes = 16;

    private readonly Random random = new(seed);

    /// <returns>Keys of the items that differ from their rows now, <c>pk sk</c>: one or two for each fault.</returns>
    public async Task<IReadOnlyList<string>> PlantAsync(int faults, CancellationToken cancellationToken)
    {
        var victims = await ChooseAsync(faults * 2, cancellationToken);
        var planted = new List<string>();
        var writes = new List<Func<Task>>();
        var next = 0;
        for (var i = 0; i < faults; i++)
        {
            var item = victims[next++];
            Plant(i % Kinds, item, () => victims[next++], planted, writes, cancellationToken);
        }

        await Parallel.ForEachAsync(writes, new ParallelOptions { MaxDegreeOfParallelism = Writes, CancellationToken = cancellationToken }, async (write, _) => await write());
        return planted;
    }

    private static string Key(Dictionary<string, AttributeValue> item) => $"{item["pk"].S} {item["sk"].S}";

    private void Plant(
        int kind, Dictionary<string, AttributeValue> item, Func<Dictionary<string, AttributeValue>> other, List<string> planted, List<Func<Task>> writes, CancellationToken cancel)
    {
        void Put(Dictionary<string, AttributeValue> changed)
        {
            planted.Add(Key(changed));
            writes.Add(() => migration.Client.PutItemAsync(migration.Table, changed, cancel));
        }

        void Delete(Dictionary<string, AttributeValue> gone)
        {
            planted.Add(Key(gone));
            writes.Add(() => migration.Client.DeleteItemAsync(migration.Table, new() { ["pk"] = gone["pk"], ["sk"] = gone["sk"] }, cancel));
        }

        switch (kind)
        {
            case 0: // missing
                Delete(item);
                break;
            case 1: // extra
                Put(new(item) { ["sk"] = new($"{item["sk"].S}#EXTRA#{random.Next()}") });
                break;
            case 2: // one attribute
                Put(new(item) { ["entity_note"] = new("strange") });
                break;
            case 3: // one digit of a decimal
                var digits = item["amount"].N;
                Put(new(item) { ["amount"] = new() { N = digits[..^1] + (char)('0' + ((digits[^1] - '0' + 1) % 9) + (digits[^1] == '8' ? 1 : 0)) } });
                break;
            case 4: // one microsecond
                var time = item["created_at"].S;
                Put(new(item) { ["created_at"] = new(time[..^2] + (time[^2] == '9' ? '8' : (char)(time[^2] + 1)) + "Z") });
                break;
            case 5: // a trailing space
                Put(new(item) { ["description"] = new(item["description"].S + " ") });
                break;
            case 6: // empty instead of NULL, or NULL instead of a value
                Put(item.ContainsKey("subscriber_id")
                    ? new(item.Where(a => a.Key != "subscriber_id"))
                    : new(item) { ["subscriber_id"] = new("") });
                break;
            case 7: // under a wrong key
                Delete(item);
                Put(new(item) { ["sk"] = new($"{item["sk"].S[..^1]}X") });
                break;
            default: // the items of two rows swapped
                var second = other();
                Put(new(item) { ["pk"] = second["pk"], ["sk"] = second["sk"] });
                Put(new(second) { ["pk"] = item["pk"], ["sk"] = item["sk"] });
                break;
        }
    }

    /// <summary>Charges by chance, each once, from a part of the table that is large enough.</summary>
    private async Task<List<Dictionary<string, AttributeValue>>> ChooseAsync(int wanted, CancellationToken cancellationToken)
    {
        const int segments = 256;
        var found = new List<Dictionary<string, AttributeValue>>();
        foreach (var segment in Enumerable.Range(0, segments).OrderBy(_ => random.Next()))
        {
            var request = new ScanRequest
            {
                TableName = migration.Table, Segment = segment, TotalSegments = segments, ConsistentRead = true,
                FilterExpression = "entity = :e", ExpressionAttributeValues = new() { [":e"] = new("CHARGE") },
            };
            do
            {
                var page = await migration.Client.ScanAsync(request, cancellationToken);
                found.AddRange(page.Items.Where(i => !oddOnly || (i["charge_id"].N[^1] - '0') % 2 == 1));
                request.ExclusiveStartKey = page.LastEvaluatedKey;
            }
            while (request.ExclusiveStartKey is { Count: > 0 });
            if (found.Count >= wanted * 4)
            {
                break;
            }
        }

        return found.Count >= wanted
            ? [.. found.OrderBy(Key, StringComparer.Ordinal).OrderBy(_ => random.Next()).Take(wanted)]
            : throw new InvalidOperationException(string.Create(CultureInfo.InvariantCulture, $"The table has {found.Count} charges, and {wanted} are needed."));
    }
}

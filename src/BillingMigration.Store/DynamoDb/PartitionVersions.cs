using System.Collections.Immutable;
using System.Globalization;
using Amazon.DynamoDBv2.Model;
using BillingMigration.Model;
using BillingMigration.Target;

namespace BillingMigration.Store.DynamoDb;

/// <summary>
/// The partition of the billing table is what units that decide by several of its rows are held in order by. Its version stands in the control table
/// and grows with each unit that writes to the partition, or
/// makes a row elsewhere a child of one of its rows; where it is absent it is 0, so nothing is migrated for it. Whoever decides by several rows reads
/// the version first, then the rows, and writes on condition
/// that the version is still the same.
/// </summary>
/// <param name="calls">To the control table.</param>
/// <param name="keys">Of its items.</param>
internal sealed class PartitionVersions(StoreCalls calls, ControlKeys keys)
{
    /// <summary>Grows.</summary>
    public const string Number = "n";

    /// <summary>Id of the large unit that has the partition to itself; absent: none.</summary>
    public const string Holder = "going";

    /// <summary>
    /// Names of attributes with the keys of what came last to a partition, or to be a child of one of its rows; the latest first. A query may pass
    /// over what a transaction has written whose other items are seen already
    /// (https://docs.aws.amazon.com/amazondynamodb/latest/developerguide/transaction-apis.html, read-committed): that is read by its key.
    /// </summary>
    public static IReadOnlyList<string> Came { get; } = [.. Enumerable.Range(0, 8).Select(i => $"r{i}")];

    /// <summary>Versions of partitions, read consistently.</summary>
    /// <exception cref="PartitionHeldException">A large unit has one of them to itself.</exception>
    /// <param name="partitions">Values of <c>pk</c>.</param>
    /// <param name="holder">Id of the large unit that asks; null: none.</param>
    /// <param name="cancellationToken">Nothing is written.</param>
    public async Task<IReadOnlyDictionary<string, PartitionVersion>> ReadAsync(
        IReadOnlyCollection<string> partitions, string? holder, CancellationToken cancellationToken)
    {
        var versions = new Dictionary<string, PartitionVersion>(StringComparer.Ordinal);
        foreach (var some in partitions.Distinct(StringComparer.Ordinal).Chunk(100))
        {
            var names = some.ToDictionary(p => keys.Version(p)[EntityModel.PartitionKey].S, StringComparer.Ordinal);
            foreach (var partition in some)
            {
                versions[partition] = new PartitionVersion(0, []);
            }

            var wanted = new Dictionary<string, KeysAndAttributes> { [keys.Table] = new() { ConsistentRead = true, Keys = [.. some.Select(keys.Version)] } };
            for (var failures = 1; wanted.Count > 0; failures++)
            {
                var request = new BatchGetItemRequest { RequestItems = wanted };
                var answer = await calls.RunAsync((client, token) => client.BatchGetItemAsync(request, token), cancellationToken);
                foreach (var item in answer.Responses?.GetValueOrDefault(keys.Table) ?? [])
                {
                    var partition = names[item[EntityModel.PartitionKey].S];
                    versions[partition] = new PartitionVersion(
                        long.Parse(item[Number].N, CultureInfo.InvariantCulture),
                        [.. Came.SelectMany(r => item.GetValueOrDefault(r)?.L ?? []).Select(k => KeyOf(partition, k.S)).Distinct()]);
                    if (item.TryGetValue(Holder, out var by) && by.S != holder)
                    {
                        throw new PartitionHeldException(partition);
                    }
                }

                wanted = answer.UnprocessedKeys ?? [];
                if (wanted.Count > 0)
                {
                    await calls.PauseAsync(failures, cancellationToken);
                }
            }
        }

        return versions;
    }

    /// <summary>An item of a table and the version of its partition, as they are at one moment.</summary>
    /// <param name="table">Of the item.</param>
    /// <param name="key">Of the item.</param>
    /// <param name="holder">Id of the large unit that asks; null: none.</param>
    /// <param name="cancellationToken">Nothing is written.</param>
    /// <exception cref="PartitionHeldException">A large unit has the partition to itself.</exception>
    public async Task<(Dictionary<string, AttributeValue>? Item, long Version)> ReadWithAsync(
        string table, ItemKey key, string? holder, CancellationToken cancellationToken)
    {
        var found = await calls.ReadAtOnceAsync([(table, ItemCodec.Attributes(key)), (keys.Table, keys.Version(key.Pk))], cancellationToken);
        return found[1]?.GetValueOrDefault(Holder) is { } by && by.S != holder
            ? throw new PartitionHeldException(key.Pk)
            : (found[0], found[1] is { } item ? long.Parse(item[Number].N, CultureInfo.InvariantCulture) : 0);
    }

    /// <summary>As a key stands in the version of a partition.</summary>
    public static AttributeValue TextOf(string partition, ItemKey key) => new($"{(key.Pk == partition ? "" : key.Pk)}\n{key.Sk}");

    private static ItemKey KeyOf(string partition, string text) => text.Split('\n', 2) is [var pk, var sk]
        ? new ItemKey(pk.Length == 0 ? partition : pk, sk)
        : throw new FormatException("no key of an item");

    /// <returns>Id of the large unit that has the partition to itself; null: none has.</returns>
    public async Task<string?> FindHolderAsync(string partition, CancellationToken cancellationToken)
    {
        var answer = await calls.RunAsync(
            (client, token) => client.GetItemAsync(new GetItemRequest { TableName = keys.Table, Key = keys.Version(partition), ConsistentRead = true }, token), cancellationToken);
        return answer.Item?.GetValueOrDefault(Holder)?.S;
    }
}

/// <summary>The version of a partition.</summary>
/// <param name="Number">0: no store has written there yet.</param>
/// <param name="Recent">Keys of what came last.</param>
internal readonly record struct PartitionVersion(long Number, ImmutableArray<ItemKey> Recent);

/// <summary>A large unit has a partition to itself; nothing of the unit that met it is written, and it waits.</summary>
internal sealed class PartitionHeldException(string partition) : Exception("A large unit is at work on the partition.")
{
    public string Partition => partition;
}

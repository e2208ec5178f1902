using System.Globalization;
using Amazon.DynamoDBv2.Model;

namespace BillingMigration.Control;

public sealed partial class ControlTable
{
    // An item has at most 400 KB.
    private const int BytesPerPart = 350 * 1024;

    private const string ComparisonKind = "integrity-comparison";
    private const int ComparisonFormat = 1;

    /// <summary>Keeps how far a comparison has come, in place of what was kept before.</summary>
    /// <exception cref="MigrationException"><c>LeaseLost</c>.</exception>
    internal async Task SaveComparisonAsync(Lease lease, string runId, byte[] state, CancellationToken cancellationToken)
    {
        var before = await ReadAsync(ComparisonSortKey(runId), cancellationToken);
        var generation = Guid.NewGuid().ToString("N")[..12];
        var parts = state.Chunk(BytesPerPart).ToArray();
        await ParallelAsync(
            Enumerable.Range(0, parts.Length),
            (part, ct) => calls.RunAsync(
                "Saving the comparison",
                t => Client.PutItemAsync(
                    Table,
                    new Dictionary<string, AttributeValue>(new ControlItemBuilder(pk, PartSortKey(runId, generation, part), ComparisonKind, ComparisonFormat).Build())
                    {
                        ["bytes"] = new AttributeValue { B = new MemoryStream(parts[part]) },
                    },
                    t),
                ct),
            cancellationToken);
        var head = new ControlItemBuilder(pk, ComparisonSortKey(runId), ComparisonKind, ComparisonFormat).Set("generation", generation).Set("parts", parts.Length).Build();
        await FencedAsync(lease, "Saving the comparison", [new TransactWriteItem { Put = new Put { TableName = Table, Item = head } }], cancellationToken);
        await ForgetPartsAsync(runId, before, cancellationToken);
    }

    /// <summary>What <see cref="SaveComparisonAsync"/> has kept; null when there is nothing.</summary>
    internal async Task<byte[]?> FindComparisonAsync(string runId, CancellationToken cancellationToken)
    {
        if (await ReadAsync(ComparisonSortKey(runId), cancellationToken) is not { } found)
        {
            return null;
        }

        var head = new ControlItem(found, ComparisonKind, ComparisonFormat);
        using var state = new MemoryStream();
        for (var part = 0; part < head.Long("parts"); part++)
        {
            var item = await ReadAsync(PartSortKey(runId, head.String("generation"), part), cancellationToken) ?? throw head.Unreadable($"its part {part} is missing");
            await item["bytes"].B.CopyToAsync(state, cancellationToken);
        }

        return state.ToArray();
    }

    /// <summary>Forgets a comparison that has come to its verdict.</summary>
    internal async Task ForgetComparisonAsync(Lease lease, string runId, CancellationToken cancellationToken)
    {
        if (await ReadAsync(ComparisonSortKey(runId), cancellationToken) is { } head)
        {
            await FencedAsync(
                lease, "Ending the comparison", [new TransactWriteItem { Delete = new Delete { TableName = Table, Key = Key(ComparisonSortKey(runId)) } }], cancellationToken);
            await ForgetPartsAsync(runId, head, cancellationToken);
        }
    }

    private static string ComparisonSortKey(string runId) => $"INTEGRITY#{runId}#COMPARISON";

    private static string PartSortKey(string runId, string generation, long part) =>
        string.Create(CultureInfo.InvariantCulture, $"{ComparisonSortKey(runId)}#{generation}#{part:D4}");

    private async Task ForgetPartsAsync(string runId, Dictionary<string, AttributeValue>? head, CancellationToken cancellationToken)
    {
        if (head is null)
        {
            return;
        }

        var old = new ControlItem(head, ComparisonKind, ComparisonFormat);
        await ParallelAsync(
            Enumerable.Range(0, (int)old.Long("parts")),
            (part, ct) => calls.RunAsync(
                "Removing what was kept of a comparison", t => Client.DeleteItemAsync(Table, Key(PartSortKey(runId, old.String("generation"), part)), t), ct),
            cancellationToken);
    }
}

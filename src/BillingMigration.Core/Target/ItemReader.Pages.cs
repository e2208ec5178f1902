using System.Runtime.CompilerServices;

namespace BillingMigration.Target;

public sealed partial class ItemReader
{
    /// <summary>Pages of one segment of a parallel scan, read consistently. Each is the caller's, who disposes it: its memory is used again.</summary>
    internal async IAsyncEnumerable<ItemPage> ScanPagesAsync(int segment, int segments, [EnumeratorCancellation] CancellationToken cancellationToken)
    {
        ReadOnlyMemory<byte> startKey = default;
        do
        {
            var page = await CallAsync(
                "Scan",
                Request(
                    json =>
                    {
                        json.WriteBoolean("ConsistentRead", true);
                        json.WriteNumber("Segment", segment);
                        json.WriteNumber("TotalSegments", segments);
                    },
                    startKey),
                cancellationToken);
            startKey = page.LastEvaluatedKey.ToArray();
            yield return page;
        }
        while (!startKey.IsEmpty);
    }
}

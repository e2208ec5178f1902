using System.Buffers;
using System.Text;
using System.Text.Json;
using BillingMigration.Model;

namespace BillingMigration.Tests.Target;

/// <summary>Batches for tests.</summary>
internal static class Batches
{
    public static ItemBatch Of(params IEnumerable<(string Pk, string Sk, string More)> items)
    {
        var batch = new ItemBatch();
        foreach (var (pk, sk, rest) in items)
        {
            Add(batch, pk, sk, rest);
        }

        return batch;
    }

    /// <summary>Items 0 to <paramref name="count"/> - 1 in partition <paramref name="pk"/>.</summary>
    public static ItemBatch Numbered(string pk, int count, string rest = ",\"amount\":{\"N\":\"12.50\"}") =>
        Of(Enumerable.Range(0, count).Select(i => (pk, $"ITEM#{i:D5}", rest)));

    public static void Add(ItemBatch batch, string pk, string sk, string rest)
    {
        var head = Encoding.UTF8.GetBytes($"{{\"pk\":{{\"S\":{JsonSerializer.Serialize(pk)}}},\"sk\":{{\"S\":{JsonSerializer.Serialize(sk)}}}");
        batch.Write(head);
        batch.Write(Encoding.UTF8.GetBytes(rest + "}"));
        batch.CommitItem(head.Length);
    }
}

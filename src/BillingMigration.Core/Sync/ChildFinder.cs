using System.Runtime.CompilerServices;
using System.Text;
using System.Text.Json;
using BillingMigration.Model;
using BillingMigration.Target;

namespace BillingMigration.Sync;

/// <summary>Finds the children of a parent row in the billing table: by the table's own key, an index's, or else among all items.</summary>
internal sealed class ChildFinder(ItemReader items)
{
    private const int ScanSegments = 4;

    /// <summary>Rows as the table has them that refer to the trigger's old values.</summary>
    public async IAsyncEnumerable<RowBuffer> FindAsync(CascadeTrigger trigger, [EnumeratorCancellation] CancellationToken cancellationToken)
    {
        var child = trigger.Link.Child;
        var decoder = new ItemDecoder(child);
        var row = new RowBuffer(child.Row.Length);
        await foreach (var item in CandidatesAsync(trigger, cancellationToken))
        {
            if (!IsOf(child, item.Span))
            {
                continue;
            }

            decoder.Decode(item.Span, row);
            if (trigger.Link.Refers(row, trigger.Old))
            {
                yield return row.Copy();
            }
        }
    }

    /// <summary>True when an item in DynamoDB JSON belongs to the entity.</summary>
    public static bool IsOf(EntityModel model, ReadOnlySpan<byte> item) => EntityOf(item) == model.Entity;

    public static string? EntityOf(ReadOnlySpan<byte> item)
    {
        var json = new Utf8JsonReader(item);
        json.Read();
        while (json.Read() && json.TokenType == JsonTokenType.PropertyName)
        {
            var found = json.ValueTextEquals(EntityModel.EntityAttribute);
            json.Read();
            if (found)
            {
                json.Read();
                json.Read();
                return json.GetString();
            }

            json.Skip();
        }

        return null;
    }

    private IAsyncEnumerable<ReadOnlyMemory<byte>> CandidatesAsync(CascadeTrigger trigger, CancellationToken cancellationToken)
    {
        var child = trigger.Link.Child;
        var row = new RowBuffer(child.Row.Length);
        for (var i = 0; i < row.Count; i++)
        {
            row.SetNull(i);
        }

        for (var i = 0; i < trigger.Old.Length; i++)
        {
            row.Set(trigger.Link.ChildColumns[i], trigger.Old[i]);
        }

        foreach (var key in child.Keys.Where(k => k.When is null))
        {
            var text = new ScratchBuffer();
            if (key.PartitionKey[0].HasValue(row) && key.PartitionKey[0].TryRender(row, text, out _))
            {
                var value = Encoding.UTF8.GetString(text.Written);
                return key.Index is null
                    ? items.QueryPartitionAsync(value, Prefix(key), cancellationToken)
                    : WholeAsync(items.QueryIndexAsync(key.Index, key.PartitionKeyAttribute, value, cancellationToken), cancellationToken);
            }
        }

        return items.ScanAsync(ScanSegments, cancellationToken);
    }

    private static string? Prefix(KeyModel key) => key.SortKey is [{ LiteralPrefix.Length: > 0 } only] ? only.LiteralPrefix : null;

    /// <summary>Items of an index as the table has them: an index follows with a delay, and may have a part of each only.</summary>
    private async IAsyncEnumerable<ReadOnlyMemory<byte>> WholeAsync(IAsyncEnumerable<ReadOnlyMemory<byte>> found, [EnumeratorCancellation] CancellationToken cancellationToken)
    {
        var some = new List<ReadOnlyMemory<byte>>(ItemReader.MostKeys);
        await foreach (var item in found.WithCancellation(cancellationToken))
        {
            some.Add(item);
            if (some.Count == ItemReader.MostKeys)
            {
                foreach (var whole in await items.GetAsync(some, cancellationToken))
                {
                    yield return whole;
                }

                some.Clear();
            }
        }

        if (some.Count > 0)
        {
            foreach (var whole in await items.GetAsync(some, cancellationToken))
            {
                yield return whole;
            }
        }
    }
}

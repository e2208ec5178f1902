using System.Collections.Immutable;
using System.Text;
using BillingMigration.Definition;
using BillingMigration.Model;
using BillingMigration.Target;

namespace BillingMigration.Sync.Cascades;

/// <summary>An item whose row may have been changed by a cascade.</summary>
internal sealed record Candidate(EntityModel Entity, ItemKey Key, RowBuffer Row);

/// <summary>
/// Finds the children of a parent in the billing table: in one partition when the children's key is made of the foreign key, else by an index
/// whose key is, else by reading the whole table.
/// </summary>
internal sealed class CandidateReader(ItemReader items)
{
    private const int ScanSegments = 64;

    public async Task<List<Candidate>> FindAsync(CascadeChange change, CancellationToken cancellationToken)
    {
        var found = new List<Candidate>();
        var child = change.Link.Child;
        var decoder = new ItemDecoder(child);
        await foreach (var item in ReadAsync(change, cancellationToken))
        {
            if (EntityOf(item.Span) != child.Entity)
            {
                continue;
            }

            var row = new RowBuffer(child.Row.Length);
            decoder.Decode(item.Span, row);
            if (References(row, change))
            {
                found.Add(new Candidate(child, ItemKey.Of(item.Span), row));
            }
        }

        return found;
    }

    private IAsyncEnumerable<ReadOnlyMemory<byte>> ReadAsync(CascadeChange change, CancellationToken cancellationToken)
    {
        var child = change.Link.Child;
        var row = new RowBuffer(child.Row.Length);
        for (var i = 0; i < row.Count; i++)
        {
            row.SetNull(i);
        }

        for (var i = 0; i < change.Old.Length; i++)
        {
            row.Set(change.Link.ChildColumns[i], change.Old[i]);
        }

        foreach (var key in child.Keys.Where(k => k.When is null))
        {
            // Of several templates the first whose columns are all there makes the key: the first one's columns are.
            var template = key.PartitionKey[0];
            if (!template.Template.Columns.All(c => c.Lookup is null && !row.IsNull(EntityModel.Find(child.Row, null, c.Column))))
            {
                continue;
            }

            var text = new ScratchBuffer();
            if (!template.TryRender(row, text, out _))
            {
                continue;
            }

            var partition = Encoding.UTF8.GetString(text.Written);
            var prefix = key.SortKey.Length == 1 && key.SortKey[0].Template.Parts[0] is KeyLiteral literal ? literal.Text : null;
            return key.Index is null
                ? items.QueryPartitionAsync(partition, prefix, cancellationToken)
                : ReadByIndexAsync(key, partition, prefix, cancellationToken);
        }

        return items.ScanAsync(ScanSegments, cancellationToken);
    }

    /// <summary>An index may hold a part of the attributes only, and an older state: the items themselves are read.</summary>
    private async IAsyncEnumerable<ReadOnlyMemory<byte>> ReadByIndexAsync(
        KeyModel index, string partition, string? prefix, [System.Runtime.CompilerServices.EnumeratorCancellation] CancellationToken cancellationToken)
    {
        await foreach (var entry in items.QueryIndexAsync(index.Index!, (index.PartitionKeyAttribute, partition), (index.SortKeyAttribute, prefix), cancellationToken))
        {
            var key = ItemKey.Of(entry.Span);
            await foreach (var item in items.QueryPartitionAsync(key.PartitionKey, key.SortKey, cancellationToken))
            {
                if (ItemKey.Of(item.Span) == key)
                {
                    yield return item;
                }
            }
        }
    }

    private static bool References(RowBuffer row, CascadeChange change)
    {
        for (var i = 0; i < change.Old.Length; i++)
        {
            var column = change.Link.ChildColumns[i];
            if (row.IsNull(column) || !row[column].SequenceEqual(change.Old[i]))
            {
                return false;
            }
        }

        return true;
    }

    private static string? EntityOf(ReadOnlySpan<byte> item)
    {
        var json = new System.Text.Json.Utf8JsonReader(item);
        json.Read();
        while (json.Read() && json.TokenType == System.Text.Json.JsonTokenType.PropertyName)
        {
            var isEntity = json.ValueTextEquals("entity"u8);
            json.Read();
            if (isEntity)
            {
                json.Read();
                json.Read();
                return json.GetString();
            }

            json.Skip();
        }

        return null;
    }
}

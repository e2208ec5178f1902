using System.Collections.Concurrent;
using System.Text;
using System.Text.Json;
using BillingMigration.Model;
using BillingMigration.Source;

namespace BillingMigration.Integrity;

/// <summary>A key at which row and item did not agree when they were read.</summary>
/// <param name="Entity">Number of the row's entity, or of the item's; -1 for an item of none.</param>
/// <param name="Key">JSON object of the item's key.</param>
/// <param name="Row">The row's primary key in a row of the entity's layout; null when the item does not tell of a row.</param>
/// <param name="Kind">As it was seen first.</param>
internal sealed record Suspect(int Entity, byte[] Key, RowBuffer? Row, DifferenceKind Kind)
{
    public string KeyText { get; } = Encoding.UTF8.GetString(Key);

    /// <summary>JSON object of the key of a canonical item.</summary>
    public static byte[] KeyOf(ReadOnlySpan<byte> canonicalKey) => [.. canonicalKey, (byte)'}'];
}

/// <summary>Takes what does not agree.</summary>
internal interface ISuspects
{
    void Add(Suspect suspect);

    /// <summary>A row that cannot be an item.</summary>
    void AddRefused(int entity, RowBuffer row);

    /// <summary>Called by every reader between its parts: may look at what has come together, while the reader waits.</summary>
    ValueTask SettleAsync(CancellationToken cancellationToken);
}

/// <summary>What is to be read again: every key once, a bounded number of them.</summary>
internal sealed class SuspectList(int most) : ISuspects
{
    private readonly ConcurrentDictionary<string, Suspect> suspects = new(StringComparer.Ordinal);

    public IReadOnlyCollection<Suspect> All => [.. suspects.Values.OrderBy(s => s.Entity).ThenBy(s => s.KeyText, StringComparer.Ordinal)];

    /// <summary>True when there were more.</summary>
    public bool HasMore { get; private set; }

    public void Add(Suspect suspect)
    {
        if (suspects.Count < most)
        {
            suspects.TryAdd(suspect.KeyText, suspect);
        }
        else if (!suspects.ContainsKey(suspect.KeyText))
        {
            HasMore = true;
        }
    }

    public void AddRefused(int entity, RowBuffer row)
    {
        // It is not to be written, so there is nothing to read again.
    }

    public ValueTask SettleAsync(CancellationToken cancellationToken) => ValueTask.CompletedTask;
}

/// <summary>Finds out which row an item claims to be.</summary>
internal static class RowIdentity
{
    /// <summary>A row that has the primary key only.</summary>
    public static RowBuffer Of(EntityModel model, RowBuffer row)
    {
        var identity = RowBuffer.AllNull(row.Count);
        foreach (var i in model.PrimaryKey)
        {
            identity.Set(i, row[i]);
        }

        return identity.Copy();
    }

    /// <summary>The primary key by a canonical item's attributes; null when one is missing or of another type.</summary>
    public static RowBuffer? Of(EntityModel model, ReadOnlySpan<byte> item)
    {
        var wanted = model.Attributes.Where(a => model.PrimaryKey.Contains(a.RowIndex)).ToArray();
        if (wanted.Length < model.PrimaryKey.Length)
        {
            return null;
        }

        var parts = new List<string>();
        var json = new Utf8JsonReader(item);
        json.Read();
        while (json.Read() && json.TokenType == JsonTokenType.PropertyName)
        {
            var name = json.GetString()!;
            json.Read();
            var start = (int)json.TokenStartIndex;
            json.Skip();
            if (Array.Exists(wanted, a => a.Name == name))
            {
                parts.Add($"{JsonSerializer.Serialize(name)}:{Encoding.UTF8.GetString(item[start..(int)json.BytesConsumed])}");
            }
        }

        var row = new RowBuffer(model.Row.Length);
        try
        {
            new ItemDecoder(model).Decode(Encoding.UTF8.GetBytes($"{{{string.Join(',', parts)}}}"), row);
        }
        catch (Exception e) when (e is MigrationException or FormatException)
        {
            return null;
        }

        return model.PrimaryKey.Any(row.IsNull) || !CanBeAsked(model, row) ? null : row.Copy();
    }

    /// <summary>False for a value that no row can have: what stands in an item may be anything.</summary>
    private static bool CanBeAsked(EntityModel model, RowBuffer row)
    {
        try
        {
            return new SelectStatement(model).ByKeys([row]).Length > 0;
        }
        catch (MigrationException)
        {
            return false;
        }
    }

    /// <summary>The primary key as a checkpoint would hold it, back in a row.</summary>
    public static RowBuffer Of(EntityModel model, IReadOnlyList<string> key)
    {
        var row = RowBuffer.AllNull(model.Row.Length);
        for (var i = 0; i < model.PrimaryKey.Length; i++)
        {
            var column = model.Row[model.PrimaryKey[i]].Column;
            row.Set(model.PrimaryKey[i], AttributeForms.For(column, null) == AttributeForm.Binary ? Convert.FromHexString(key[i]) : Encoding.UTF8.GetBytes(key[i]));
        }

        return row;
    }
}

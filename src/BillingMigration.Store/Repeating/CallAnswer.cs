using System.Collections.Immutable;
using System.Text.Json;
using BillingMigration.Model;

namespace BillingMigration.Store;

/// <summary>What a call with a key has done, as its row of <see cref="BillingEntity.Call"/> keeps it in JSON: enough to answer it again, on either backend. It holds primary keys and no other value of a row.</summary>
/// <param name="Call">The operation and what it was for; null for a unit of the application's own.</param>
internal sealed record CallAnswer(string? Call, ImmutableArray<CallRow> Rows)
{
    private static readonly JsonSerializerOptions Json = new()
    {
        PropertyNamingPolicy = JsonNamingPolicy.CamelCase, DefaultIgnoreCondition = System.Text.Json.Serialization.JsonIgnoreCondition.WhenWritingNull,
    };

    /// <param name="changes">Of the unit, without the row of the call itself.</param>
    /// <param name="written">Their rows as they are written; null for deletions and additions.</param>
    public static CallAnswer Of(string? call, IEnumerable<PlannedChange> changes, IReadOnlyList<RowBuffer?> written) =>
        new(call, [.. changes.Select((change, i) => new CallRow(NameOf(change), change.Model.Entity, KeyOf(change, written[i])))]);

    public string ToJson() => JsonSerializer.Serialize(this, Json);

    /// <exception cref="StoreException"><see cref="StoreError.ValueInvalid"/>: the application, or somebody else, has written it.</exception>
    public static CallAnswer Parse(string json, BillingColumns names)
    {
        try
        {
            if (JsonSerializer.Deserialize<CallAnswer>(json, Json) is { Rows.IsDefault: false } answer && answer.Rows.All(r => r is { Change: not null, Entity: not null, Key: not null }))
            {
                return answer;
            }
        }
        catch (JsonException)
        {
            // The answer is none, whatever is wrong with it.
        }

        throw new StoreException(
            StoreError.ValueInvalid, names.CallAnswer, $"The row of {BillingEntity.Call} with this key has an {names.CallAnswer} that no store has written. Rows of it are inserted by calls with a key alone.");
    }

    /// <summary>The key is that of this very call.</summary>
    /// <exception cref="StoreException"><see cref="StoreError.ValueInvalid"/>.</exception>
    public void Require(string? call, BillingColumns names)
    {
        if (call != Call)
        {
            throw Other(names);
        }
    }

    /// <summary>The key is that of the same operation, or of a unit of the same kind: the same changes of the same entities, and of the same rows as far as their keys are not generated.</summary>
    /// <inheritdoc cref="Require(string?, BillingColumns)"/>
    public void Require(string? call, IReadOnlyList<PlannedChange> changes, BillingColumns names)
    {
        Require(call, names);
        if (call is null && (changes.Count != Rows.Length || !Rows.Zip(changes).All(p => IsSame(p.First, p.Second))))
        {
            throw Other(names);
        }
    }

    private static bool IsSame(CallRow row, PlannedChange change) =>
        row.Change == NameOf(change) && row.Entity == change.Model.Entity && KeyOf(change, change.After).All(k => k.Value is null || row.Key.GetValueOrDefault(k.Key) == k.Value);

    private StoreException Other(BillingColumns names) => new(
        StoreError.ValueInvalid, names.CallKey,
        $"The key was used before, for another call: {Call ?? string.Join(", ", Rows.Select(r => $"{r.Change} {r.Entity}"))}. Each call has a key of its own, which is used again only to repeat that call.");

    private static string NameOf(PlannedChange change) =>
        change.Add is not null ? "add" : change.After is null ? "delete" : change.Before is null ? "insert" : "update";

    private static ImmutableSortedDictionary<string, string?> KeyOf(PlannedChange change, RowBuffer? written)
    {
        var row = written ?? change.Before ?? change.Add!.Key;
        return change.Model.PrimaryKey.ToImmutableSortedDictionary(i => change.Model.Row[i].Column.Name, i => row.IsNull(i) ? null : KeyText.Of(change.Model.Row[i].Column, row[i]), StringComparer.Ordinal);
    }
}

/// <summary>One row that a call has written.</summary>
/// <param name="Change"><c>insert</c>, <c>update</c>, <c>delete</c> or <c>add</c>.</param>
/// <param name="Key">The texts of its primary key, hex digits for binary columns.</param>
internal sealed record CallRow(string Change, string Entity, ImmutableSortedDictionary<string, string?> Key);

/// <summary>What the row of a call takes when the rows of its unit are known.</summary>
/// <param name="Column">Of <see cref="BillingEntity.Call"/>, index in the row's layout.</param>
/// <param name="Call">The operation; null: a unit of the application's own.</param>
/// <param name="Rows">How many of the unit's changes are in the answer, from the first.</param>
internal sealed record PendingAnswer(int Column, string? Call, int Rows)
{
    /// <param name="changes">Of the unit.</param>
    /// <param name="written">Their rows, those before the call's own complete.</param>
    /// <exception cref="StoreException"><see cref="StoreError.ValueInvalid"/>: the column is too short.</exception>
    public void Set(RowBuffer row, EntityModel model, IReadOnlyList<PlannedChange> changes, IReadOnlyList<RowBuffer?> written) =>
        row.Set(Column, StoreValue.ToText(model, Column, CallAnswer.Of(Call, changes.Take(Rows), written).ToJson()));
}

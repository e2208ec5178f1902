using System.Collections.Immutable;
using System.Text;
using System.Text.Json;

namespace BillingMigration.Store;

/// <summary>The place of a row in a query's order as a text that any backend goes on from.</summary>
internal static class Continuation
{
    public static string Of(BoundQuery query, ImmutableArray<byte[]?> place) =>
        Convert.ToBase64String(JsonSerializer.SerializeToUtf8Bytes(new Place(Query(query), [.. place.Select(v => v is null ? null : Convert.ToBase64String(v))])));

    /// <exception cref="StoreException"><see cref="StoreError.ContinuationInvalid"/>.</exception>
    public static ImmutableArray<byte[]?> Read(BoundQuery query, string continuation)
    {
        try
        {
            var place = JsonSerializer.Deserialize<Place>(Convert.FromBase64String(continuation));
            if (place is { Query: { } of, Values: { } values } && of == Query(query) && values.Length == query.Order.Length)
            {
                return [.. values.Select(v => v is null ? null : Convert.FromBase64String(v))];
            }
        }
        catch (Exception e) when (e is FormatException or JsonException)
        {
            // Falls through to the refusal.
        }

        throw new StoreException(
            StoreError.ContinuationInvalid, continuation, $"The continuation is none of this query of {query.Model.Entity}: pass the one that its last page gave, with the same conditions and order.");
    }

    private sealed record Place(string Query, string?[] Values);

    /// <summary>A continuation of another query would begin anywhere.</summary>
    private static string Query(BoundQuery query)
    {
        var text = new StringBuilder(query.Model.Entity).Append(query.Descending).AppendJoin(',', query.Order);
        foreach (var condition in query.Conditions)
        {
            text.Append('|').Append(condition.Index).Append('=')
                .AppendJoin(',', condition.Values?.Select(v => v is null ? "NULL" : Convert.ToHexString(v)) ?? [])
                .Append('[').Append(Convert.ToHexString(condition.From ?? [])).Append(',').Append(Convert.ToHexString(condition.Below ?? []));
        }

        return System.IO.Hashing.XxHash64.HashToUInt64(Encoding.UTF8.GetBytes(text.ToString())).ToString("x16", System.Globalization.CultureInfo.InvariantCulture);
    }
}

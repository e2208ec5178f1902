using System.Collections.Immutable;

namespace BillingMigration.Model;

/// <summary>
/// The data keys of a migration by their numbers, and the one that values are encrypted with. A rotation makes another ring; a ring does not change.
/// </summary>
internal sealed class KeyRing(ImmutableSortedDictionary<byte, ValueCipher> keys, byte current)
{
    /// <summary>More than these make a condition on a row too long that must hold under each of them.</summary>
    public const int MostKeys = 4;

    public ImmutableSortedDictionary<byte, ValueCipher> Keys => keys;

    public ValueCipher Current { get; } = keys[current];

    public static KeyRing Of(ValueCipher only) => new(ImmutableSortedDictionary<byte, ValueCipher>.Empty.Add(only.Number, only), only.Number);
}

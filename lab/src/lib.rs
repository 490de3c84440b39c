//! Throwaway network namespaces for tests.
